"""The values of the option `rateLimit`, and the refusals of all others."""

import sys

import pytest

from flaskJSONRPCServer import MissingExtraError, RegistrationError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.rate_limits.plan import limits_of, read_plan
from flaskJSONRPCServer.dispatch.routes import format_path


def words(items):
    return [str(item) for item in items]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("100/minute", ["100 per 1 minute"]),
        ("5 per 2 hours", ["5 per 2 hour"]),
        ("1000/hour; 10/second", ["10 per 1 second", "1000 per 1 hour"]),
        (["1000/day", "5/minute,1/second"], ["1 per 1 second", "5 per 1 minute", "1000 per 1 day"]),
        (("5/minute", "5 per minute"), ["5 per 1 minute"]),
    ],
)
def test_limits_are_read_with_the_shortest_window_first(value, expected):
    assert words(limits_of("rateLimit", value)) == expected


def test_dict_has_limits_by_scope():
    plan = read_plan(
        {"limits": "9/minute", "paths": {"/api": "8/minute", "": "7/minute"}, "methods": {"login": ["6/minute"]}},
        format_path,
    )

    assert (plan.server.scope, words(plan.server.items)) == ("server", ["9 per 1 minute"])
    assert {path: rule.scope for path, rule in plan.paths.items()} == {"/api/": "path /api/", "/": "path /"}
    assert words(plan.methods["login"].items) == ["6 per 1 minute"]


SECRET = "correct-horse"
REFUSED = [
    ("often", "rateLimit='often' is refused: it takes a limit such as '100/minute'"),
    ("5/fortnight", "rateLimit='5/fortnight' is refused"),
    ("5/0 minute", "rateLimit='5/0 minute' is refused"),
    ("0/minute", "rateLimit='0/minute' is refused: a limit is at least 1"),
    ("9" * 5000 + "/minute", "is refused: it takes a limit such as"),
    ("", "rateLimit='' is refused"),
    (100, "rateLimit=100 is refused"),
    ([], "rateLimit=[] is refused"),
    ([100], "rateLimit=100 is refused"),
    ({}, "rateLimit is refused: it sets no limit"),
    ({"paths": {}, "methods": {}}, "rateLimit is refused: it sets no limit"),
    ({"strategy": "fixed-window"}, "rateLimit is refused: it sets no limit"),
    ({"limits": "x"}, "rateLimit['limits']='x' is refused"),
    ({"limit": "5/minute"}, "unknown key of rateLimit 'limit'; did you mean 'limits'?"),
    ({"paths": "5/minute"}, "rateLimit['paths']='5/minute' is refused: it takes a dict"),
    ({"paths": {"/api": "5"}}, "rateLimit['paths']['/api']='5' is refused"),
    ({"paths": {"/api": "5/day", "/api/": "5/day"}}, "rateLimit['paths'] is refused: it names the path '/api/' twice"),
    ({"methods": {1: "5/minute"}}, "rateLimit['methods']={1: '5/minute'} is refused"),
    ({"limits": "5/minute", "identity": "ip"}, "rateLimit['identity']='ip' is refused"),
    ({"limits": "5/minute", "identity": lambda: 1}, "it takes a plain function of one parameter"),
    (
        {"limits": "5/minute", "strategy": "fixed"},
        "unknown rateLimit strategy 'fixed'; known: fixed-window, moving-window",
    ),
    ({"limits": "5/minute", "strategy": "moving-window"}, "strategy 'moving-window' is refused in memory"),
    ({"limits": "5/minute", "storage": "localhost"}, "rateLimit['storage'] is refused: it takes a URI such as"),
    ({"limits": "5/minute", "storage": f"http://u:{SECRET}@h"}, "unknown scheme of rateLimit['storage'] 'http'; known"),
    ({"limits": "5/minute", "storage": f"redis://u:{SECRET}@h:port"}, "the scheme 'redis' is refused (ValueError)"),
    ({"limits": "5/minute", "storage": f"redis://u:{SECRET}@[h"}, "it takes a URI such as"),
    ({"limits": "5/minute", "storage": "async+redis://h"}, "unknown scheme of rateLimit['storage'] 'async+redis'"),
    ({"limits": "5/minute", "maxCounters": 0}, "rateLimit['maxCounters']=0 is refused"),
]


async def identify(request):
    return "a"


@pytest.mark.parametrize(("value", "sentence"), [*REFUSED, ({"limits": "5/minute", "identity": identify}, "a plain")])
def test_wrong_value_is_refused_by_the_constructor(value, sentence):
    with pytest.raises(SettingsError) as refused:
        flaskJSONRPCServer(None, log=False, rateLimit=value)

    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None or SECRET not in str(refused.value.__cause__)


@pytest.mark.parametrize("value", ["often", 5, {"limits": "5/minute"}, []])
def test_wrong_value_is_refused_at_the_registration(value):
    server = flaskJSONRPCServer(None, log=False)

    with pytest.raises(RegistrationError, match=r"rateLimit=.* is refused: it takes a limit such as '100/minute'"):
        server.registerFunction(lambda: 1, name="one", rateLimit=value)


def test_missing_library_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "limits", None)

    with pytest.raises(MissingExtraError) as missing:
        flaskJSONRPCServer(None, log=False, rateLimit="5/minute")
    assert str(missing.value) == "rateLimit needs limits; install it: pip install 'limits>=5.0'"


def test_missing_client_of_a_storage_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(MissingExtraError) as missing:
        flaskJSONRPCServer(None, log=False, rateLimit={"limits": "5/minute", "storage": "valkey://127.0.0.1/0"})
    assert str(missing.value).endswith("'valkey' needs valkey; install it: pip install 'limits[valkey]'")
