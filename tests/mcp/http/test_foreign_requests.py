"""Requests that are refused for their Host or Origin, in the log."""

import logging

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_wsgi
from tests.mcp.judged import request_of


def ask(application, **headers):
    request = request_of("tools/list")
    request.headers.update(headers)
    return call_wsgi(application, request)


@pytest.fixture
def application(caplog):
    caplog.set_level(logging.WARNING)
    server = flaskJSONRPCServer(None, log=2, allowed_hosts=["good.test"], allowed_origins=["https://good.test"])
    server.mcp("/mcp")
    return server.getWSGI()


def test_refused_values_are_logged_once_each_with_their_setting(application, caplog):
    for _ in range(2):
        refused = ask(application, Host="evil.test"), ask(application, Host="good.test", Origin="https://evil.test")
        assert [answer.code for answer in refused] == [421, 403]
    assert ask(application, Host="good.test", Origin="https://good.test").code == 200

    assert caplog.messages == [
        "a request for /mcp was refused: Host 'evil.test' is not in allowed_hosts",
        "a request for /mcp was refused: Origin 'https://evil.test' is not in allowed_origins",
    ]


def test_number_and_length_of_the_logged_values_are_bounded(application, caplog):
    for number in range(110):
        assert ask(application, Host="good.test", Origin=f"{number:03}" + "x" * 1000).code == 403

    assert len(caplog.messages) == 100
    assert max(map(len, caplog.messages)) < 400
    assert caplog.messages[-1].endswith("; further values are not logged")


@pytest.mark.parametrize(
    ("options", "origin", "status"),
    [
        ({}, None, 200),
        ({}, "http://good.test", 200),
        ({}, "https://good.test", 200),  # a proxy may have ended TLS
        ({}, "https://evil.test", 403),
        ({}, "http://good.test:8080", 403),
        ({}, "null", 403),
        ({"cors": True}, "https://evil.test", 200),
        ({"cors": {"origin": "https://friend.test"}}, "https://friend.test", 200),
        ({"cors": {"origin": "https://friend.test"}}, "https://evil.test", 403),
    ],
)
def test_page_of_another_origin_needs_a_setting(options, origin, status):
    server = flaskJSONRPCServer(None, log=0, **options)
    server.mcp("/mcp")

    answer = ask(server.getWSGI(), Host="good.test", **({} if origin is None else {"Origin": origin}))

    assert answer.code == status
    assert (
        status == 200
        or f"Origin {origin!r} is not that of this server; allowed_origins may name it" in answer.body.decode()
    )
