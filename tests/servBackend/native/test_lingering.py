"""How long a connection stays that has had its last request."""

import math

from flaskJSONRPCServer.servBackend.native.parser import ParserLimits
from flaskJSONRPCServer.servBackend.native.protocol import HttpConnection, Phase
from flaskJSONRPCServer.servBackend.native.timeouts import HttpTimeouts

LIMITS = ParserLimits(4096, 1024, 20, 10_000, 5000, lambda head: (10_000, "max_body_bytes"))
TIMEOUTS = HttpTimeouts(10, 10, 10, 10, 10, math.inf, 10, 100, 100, 1000)
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def answered(size):
    """Return a connection whose last answer, of so many bytes, is on its way since 0 s."""
    http = HttpConnection(LIMITS, TIMEOUTS, {}, 0.0)
    http.receive_data(LAST, 0.0)
    assert http.next_request(0.0) is not None
    http.queue(b"x" * size, 0.0)
    http.finish_answer(0.0, keeps_alive=False)
    return http


def test_answer_that_keeps_its_rate_has_all_the_time_that_it_needs():
    http = answered(size=100_000)
    for now in range(1, 100):
        http.mark_sent(1000, float(now))
        http.expire(float(now))
        assert http.phase is Phase.LINGERING


def test_answer_that_is_not_read_is_aborted():
    http = answered(size=100_000)
    assert http.deadline == 10.0
    http.expire(10.0)
    assert http.phase is Phase.CLOSED


def test_client_has_its_time_to_close_from_the_end_of_the_answer_on():
    http = answered(size=100_000)
    for now in range(1, 101):
        http.mark_sent(1000, float(now))
    assert http.deadline == 102.0
    http.receive_data(b"x", 101.0)
    assert http.deadline == 103.0
    for now in range(102, 130):
        http.receive_data(b"x", float(now))
    assert http.deadline == 130.0
