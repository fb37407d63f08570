"""The benchmark of documents measures what it says. No test checks the figures."""

import re

import pytest

from benchmarks import openrpc


def test_each_way_is_listed(capsys):
    assert openrpc.main(["--methods", "30", "--rounds", "2"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert "30 methods" in lines[0]
    assert [line[:24].strip() for line in lines[1:]] == list(openrpc.WANTED_MS)
    assert all(re.search(r" \d+\.\d{3} ms ", line) for line in lines[1:])


def test_figure_over_its_bound_fails(monkeypatch):
    monkeypatch.setattr(openrpc, "measure", lambda count, rounds: ({openrpc.GET: [2.0]}, 1))

    assert openrpc.main([]) == 1
    assert openrpc.main(["--methods", "5"]) == 0


def test_methods_are_described_in_full():
    methods = openrpc.server_with(40).openrpc("/api")["methods"]

    assert len(methods) == 40
    assert all(parameter["description"] for method in methods for parameter in method["params"])
    references = {method["params"][0]["schema"]["$ref"] for method in methods}
    assert len(references) == 2


@pytest.mark.parametrize("way", ["GET", "POST"])
def test_answers_are_documents(way):
    app = openrpc.server_with(3).getWSGI()
    head = openrpc.environ(way, openrpc.PATH if way == "POST" else "/api/openrpc.json")
    body = openrpc._DISCOVER_CALL if way == "POST" else b""
    head["CONTENT_LENGTH"] = str(len(body))
    statuses = []

    answer = openrpc.exchange(app, head, body, lambda status, headers, exc=None: statuses.append(status))

    assert statuses == ["200 OK"]
    assert b'"place_order_2"' in answer
