"""The tables of settings and limits agree with the package."""

import ast
import dataclasses
import json

import pytest
from werkzeug.test import Client

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.settings import OPTIONS, Settings
from tests.docs.pages import rows

SETTINGS = rows("reference.md")
LIMITS = rows("limits.md")


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda field: field.name)
def test_each_option_is_documented_with_its_default(field):
    default, meaning = SETTINGS[field.name]

    assert default == "required" if field.name == "bindAdress" else documented(default) == field.default
    assert meaning


def test_only_options_are_documented():
    assert set(SETTINGS) == set(OPTIONS)


def test_options_are_documented_in_their_order():
    assert list(SETTINGS) == list(OPTIONS)


def test_every_limit_is_in_the_table_of_limits():
    limits = {name for name in OPTIONS if name.startswith("max_") or name.endswith("_timeout_s")} | {
        "backlog",
        "threads",
        "timeout",
    }

    assert set(LIMITS) == limits


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_is_documented_with_its_unit_and_default(name):
    unit, default, answer = LIMITS[name]

    assert documented(default) == getattr(Settings(), name)
    assert unit
    assert answer


def call(params="[]"):
    return f'{{"jsonrpc": "2.0", "method": "repeat", "params": {params}, "id": 1}}'


BEYOND = {
    "max_body_bytes": {"data": b" " * 5242881},
    "max_response_bytes": {"data": call("[67108864]")},
    "max_batch_length": {"data": json.dumps([1] * 1001)},
    "max_nesting_depth": {"data": call("[" * 100 + "]" * 100)},
    "max_integer_digits": {"data": call(f"[{'9' * 4301}]")},
    "max_header_count": {"data": call(), "headers": {f"X-{number}": "1" for number in range(101)}},
    "max_url_bytes": {"data": call(), "query_string": "a" * 8192},
}


@pytest.mark.parametrize("name", BEYOND)
def test_client_beyond_a_limit_gets_the_answer_of_the_table(name):
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda count=1: "x" * count, path="/api", name="repeat")

    answer = Client(server.getWSGI()).post("/api", content_type="application/json", **BEYOND[name])

    code, text = outcome(answer)
    assert str(code) in LIMITS[name][2]
    assert f"`{text}`" in LIMITS[name][2]


def test_every_limit_of_a_request_is_tested():
    # A full queue needs held calls: tests/execBackend, tests/gevent. Other limits need the serving backend:
    # tests/servBackend. Those of idempotency keys need several requests: tests/dispatch/idempotency.
    assert set(BEYOND) == {name for name in LIMITS if name.startswith("max_")} - {
        "max_abandoned_calls",
        "max_exec_queue_calls",
        "max_idempotency_bytes",
        "max_idempotency_keys",
        "max_concurrent_calls",
        "max_waiting_requests",
        "max_streams",
        "max_connections",
        "max_connections_per_client",
        "max_requests_per_connection",
        "max_buffered_bytes",
        "max_spooled_bytes",
        "max_page_body_bytes",
        "max_head_bytes",
    }


def documented(cell):
    """Return the value of a cell such as `5242880` (5 MiB)."""
    return ast.literal_eval(cell.split("`")[1])


def outcome(answer):
    if answer.status_code != 200:
        return answer.status_code, answer.text.strip()
    return answer.json["error"]["code"], answer.json["error"]["message"]
