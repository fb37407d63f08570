"""The rate limits of one server: when it has a limiter, and the counters that outlive its pipelines."""

import pytest
from limits import parse

from flaskJSONRPCServer import SettingsError
from flaskJSONRPCServer.dispatch.rate_limits.plan import registered_rule
from flaskJSONRPCServer.dispatch.rate_limits.server import ServerRateLimits
from flaskJSONRPCServer.dispatch.routes import Endpoint, format_path
from flaskJSONRPCServer.http.refusals import TooManyRequests
from flaskJSONRPCServer.runtime.logs import ServerLog
from tests.dispatch.parts import make_exchange, make_route

LIMITED = make_route(len, rate_limit=registered_rule("/api/", "len", (parse("1/day"),)))
UNLIMITED = make_route(len)
ENDPOINT = Endpoint("/api/", {"len": LIMITED})


@pytest.fixture
def limits():
    return ServerRateLimits(ServerLog("limits", 3), format_path, "limits")


def admitted(limiter, count):
    """Admit so many requests; return how many were not refused."""
    total = 0
    for _ in range(count):
        try:
            limiter.admit(make_exchange(), ENDPOINT, None)
        except TooManyRequests:
            continue
        total += 1
    return total


def test_server_without_limits_has_no_limiter_and_reports_nothing(limits):
    assert limits.add_routes([UNLIMITED]) is False
    assert limits.limiter(None, dict) is None
    assert limits.report() == {}
    assert limits.unmatched([]) == []


def test_first_limited_route_asks_for_a_limiter_and_the_next_ones_do_not(limits):
    assert [limits.add_routes(routes) for routes in ([UNLIMITED], [UNLIMITED, LIMITED], [LIMITED])] == [
        False,
        True,
        False,
    ]
    assert limits.limiter(None, dict) is not None


def test_limiters_of_the_same_option_share_their_counters(limits):
    first, second = (limits.limiter({"limits": "3/day"}, dict) for _ in range(2))

    assert (admitted(first, 2), admitted(second, 5)) == (2, 1)
    assert limits.report() == {"rateLimitedCount": 4}


def test_another_option_begins_to_count_anew(limits):
    assert admitted(limits.limiter("1/day", dict), 2) == 1
    assert admitted(limits.limiter("2/day", dict), 3) == 2


def test_check_refuses_an_invalid_option_and_makes_no_counters(limits):
    with pytest.raises(SettingsError, match="rateLimit='often' is refused"):
        limits.check("often")
    limits.check("1/day")
    limits.check(None)

    assert limits.report() == {}


def test_unmatched_names_of_the_option_are_described(limits):
    limits.limiter({"paths": {"/api": "1/day", "/no": "1/day"}, "methods": {"len": "1/day", "/no/len": "1/day"}}, dict)

    assert limits.unmatched([UNLIMITED]) == ["the path '/no/'", "the method '/no/len'"]
