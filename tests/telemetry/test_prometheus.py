"""A real Prometheus, and its judgement of the metrics, the alerts and the dashboard."""

import json
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import rpc, wait_until
from tests.telemetry.scraping import WAIT_S, ask, find_command, get, send

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

MONITORING = Path(__file__).resolve().parents[2] / "examples" / "monitoring"
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: jsonrpc
    static_configs: [{{targets: ["{host}:{port}"]}}]
"""


def fail():
    raise ValueError


@pytest.fixture(scope="module")
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, metrics=True, dispatcherBackend="threaded")
    server.registerFunction(abs, path="/api", name="abs")
    server.registerFunction(fail, path="/api")
    server.start()
    send(server.addresses[0], [rpc("abs", [1]), rpc("fail"), rpc("nothing")])
    server._speedStatsAdd("parse", 1.0)
    yield server
    server.stop()


def promtool(*arguments, stdin=b""):
    done = subprocess.run([find_command("promtool"), *arguments], input=stdin, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def dashboard_queries():
    """Return the queries of the dashboard, with values in the place of its variables."""
    text = (MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8")
    for variable, chosen in (("$__rate_interval", "1m"), ("$job", "jsonrpc"), ("$instance", ".*")):
        text = text.replace(variable, chosen)
    panels = json.loads(text)["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def test_promtool_finds_no_fault_in_the_metrics(server):
    _, _, body = get(server.addresses[0])
    assert promtool("check", "metrics", stdin=body) == (0, "")


def test_promtool_accepts_the_configuration_and_the_alerts():
    status, output = promtool("check", "config", str(MONITORING / "prometheus.yml"))
    assert status == 0, output
    status, output = promtool("test", "rules", str(Path(__file__).with_name("alerts_test.yml")))
    assert status == 0, output


def test_dashboard_has_no_two_panels_at_one_place():
    panels = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_examples_name_only_metrics_that_there_are(server):
    _, _, body = get(server.addresses[0])
    known = set(re.findall(r"^# TYPE (\w+)", body.decode(), re.M))
    others = {
        *("exec_backend_dead_letters", "exec_backend_queued_calls", "exec_backend_workers"),  # of celery
        *("exec_backend_processes", "exec_backend_restarted_processes_total", "exec_backend_failed_calls_total"),
    }
    known |= {f"jsonrpc_server_{name}" for name in others}
    texts = [*dashboard_queries(), (MONITORING / "alerts.yml").read_text(encoding="utf-8")]
    named = set(re.findall(r"\b(?:jsonrpc_server|process)_\w+", " ".join(texts)))
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in named} <= known


@pytest.fixture
def prometheus(server, tmp_path):
    """A Prometheus that scrapes the server five times a second: its address."""
    host, port = server.addresses[0]
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(host=host, port=port), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = unused.getsockname()
    options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "log.level": "error"}
    options["web.listen-address"] = f"127.0.0.1:{address[1]}"
    command = [find_command("prometheus"), *(f"--{name}={value}" for name, value in options.items())]
    with subprocess.Popen(command, cwd=tmp_path) as process:
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0


def ask_prometheus(address, query):
    """Return the results of a query; None while Prometheus is starting."""
    url = f"http://127.0.0.1:{address[1]}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return None


def test_prometheus_counts_exactly_what_was_called_under_load(server, prometheus):
    calls_before = server.stats()["dispatchers"]["/api/abs"]["calls"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: ask(server.addresses[0], "abs", [-number])["result"], range(500)))
    assert answers == list(range(500))

    query = 'sum(jsonrpc_server_call_duration_seconds_count{method="/api/abs", code="0"})'
    expected = str(calls_before + 500)
    wait_until(lambda: [found["value"][1] for found in ask_prometheus(prometheus, query) or ()] == [expected])
    assert [found["value"][1] for found in ask_prometheus(prometheus, "up")] == ["1"]
    assert [expr for expr in dashboard_queries() if ask_prometheus(prometheus, expr) is None] == []
