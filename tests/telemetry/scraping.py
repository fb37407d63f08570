"""Reading the metrics of a server under test."""

import http.client
import json
import os
import shutil
import sys
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.helpers import rpc

WAIT_S = 30
PREFIX = "jsonrpc_server_"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def get(address, path="/metrics", method="GET", **headers):
    """Return the status, the headers and the body of the answer."""
    connection = http.client.HTTPConnection(*address, timeout=WAIT_S)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def send(address, message, path="/api", **headers):
    """POST a message. Return the status, and the answer if there is one."""
    connection = http.client.HTTPConnection(*address, timeout=WAIT_S)
    try:
        connection.request("POST", path, json.dumps(message), {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body.startswith((b"{", b"[")) else body
    finally:
        connection.close()


def ask(address, method, params=None, path="/api"):
    return send(address, rpc(method, params), path)[1]


def scrape(address, path="/metrics", **headers):
    """Return the samples of the metrics: the values by name and labels."""
    status, _, body = get(address, path, **headers)
    assert status == 200, body
    return samples_in(body.decode())


def samples_in(text):
    families = list(read_openmetrics(text) if text.endswith("# EOF\n") else read_text(text))
    samples = [sample for family in families for sample in family.samples]
    values = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(values) == len(samples), "a series is there twice"
    return values


def value(samples, name, /, **labels):
    """Return the sum of the samples of a name with these labels, and perhaps more; None if there is none."""
    wanted = labels.items()
    found = [
        number for (other, has), number in samples.items() if other == PREFIX + name and wanted <= dict(has).items()
    ]
    return sum(found) if found else None


def calls(samples, method, code=0):
    """Return how many calls of a method have ended with a code."""
    return value(samples, "call_duration_seconds_count", method=method, code=str(code), transport="http")


def errors(samples, method, code):
    return value(samples, "errors_total", method=method, code=str(code), transport="http")


def find_command(name):
    """Find ``prometheus`` or ``promtool``: on PATH, or where `make test` unpacks the system's package.

    Raises:
        FileNotFoundError: There is none.
    """
    unpacked = Path(sys.prefix) / "prometheus" / "usr" / "bin" / name
    found = shutil.which(name) or (str(unpacked) if os.access(unpacked, os.X_OK) else None)
    if found is None:
        raise FileNotFoundError(f"no {name} found; run tools/install-prometheus {sys.prefix}/prometheus")
    return found
