"""The answers to cross-origin requests."""

import pytest

from flaskJSONRPCServer.errors import SettingsError
from flaskJSONRPCServer.http.cors import Cors

A = "https://a.test"
B = "https://b.test"
ANY = ("Access-Control-Allow-Origin", "*")
VARY = ("Vary", "Origin")
EXPOSED = ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")


def allowed(origin):
    return [("Access-Control-Allow-Origin", origin), VARY]


@pytest.mark.parametrize(
    ("option", "origin", "headers"),
    [
        (True, A, [ANY]),
        (True, None, [ANY]),
        ({"maxAge": 5}, A, [ANY]),
        ({"origin": "*"}, "null", [ANY]),
        ({"origin": A}, A, allowed(A)),
        ({"origin": A}, B, [VARY]),
        ({"origin": A}, None, [VARY]),
        ({"origin": A}, "null", [VARY]),
        ({"origin": [A, B]}, B, allowed(B)),
        ({"origin": (A, B)}, A, allowed(A)),
        ({"origin": {A}}, A, allowed(A)),
        ({"origin": []}, A, [VARY]),
        ({"origin": A}, "https://a.test.evil.test", [VARY]),
        ({"origin": A}, "HTTPS://A.TEST", [VARY]),
        ({"origin": A, "credentials": True}, A, [*allowed(A), ("Access-Control-Allow-Credentials", "true")]),
        ({"origin": A, "credentials": True}, B, [VARY]),
        ({"origin": A, "credentials": False}, A, allowed(A)),
    ],
)
def test_answer_has_cors_headers(option, origin, headers):
    exposed = [] if headers == [VARY] else [EXPOSED]

    assert Cors(option).headers(origin) == headers + exposed


@pytest.mark.parametrize(
    ("option", "origin", "requested", "added"),
    [
        (True, A, "", {"Access-Control-Allow-Methods": "GET, OPTIONS, POST", "Access-Control-Max-Age": "600"}),
        (
            {"method": "POST", "maxAge": 0},
            A,
            "x-a",
            {
                "Access-Control-Allow-Methods": "POST",
                "Access-Control-Max-Age": "0",
                "Access-Control-Allow-Headers": "x-a",
            },
        ),
        (
            {"methods": ["GET", "POST"], "method": "PUT", "headers": "X-B"},
            A,
            "x-a",
            {
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Max-Age": "600",
                "Access-Control-Allow-Headers": "X-B",
            },
        ),
    ],
)
def test_preflight_has_cors_headers(option, origin, requested, added):
    assert dict(Cors(option).preflight_headers(origin, requested)) == {ANY[0]: "*", **added}


def test_preflight_of_another_origin_allows_nothing():
    assert Cors({"origin": A, "headers": "X-B"}).preflight_headers(B, "x-b") == [VARY]


@pytest.mark.parametrize("requested", ["x-a", "x-a,x-b", "x-a , x-b,  x-c", "!#$%&'*+.^_`|~09azAZ-"])
def test_preflight_allows_the_headers_that_are_asked_for(requested):
    headers = dict(Cors(True).preflight_headers(A, requested))

    assert headers["Access-Control-Allow-Headers"] == requested


@pytest.mark.parametrize("requested", ["a b", "a,,b", ",", "a;b", "a\r\nb", "é", "a:", '"a"', "a" * 100_000 + ":"])
def test_preflight_ignores_invalid_header_names(requested):
    assert "Access-Control-Allow-Headers" not in dict(Cors(True).preflight_headers(A, requested))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({}, "cors={} is refused: name an origin, or give True for every origin"),
        ({"origin": "a.test"}, "origin"),
        ({"origin": "https://a.test/"}, "origin"),
        ({"origin": "https://user@a.test"}, "origin"),
        ({"origin": [A, "https://*.test/x"]}, "origin"),
        ({"origins": A}, "unknown cors key 'origins'; did you mean 'origin'?"),
        ({"origin": 5}, "cors: origin=5 is refused: it takes a string or a list of strings"),
        ({"origin": [A, None]}, "cors: origin="),
        ({"origin": None}, "cors: origin=None is refused"),
        ({"methods": b"POST"}, "cors: methods=b'POST' is refused"),
        ({"headers": ["X-A", 1]}, "cors: headers="),
        ({"origin": "https://a.test\r\nX-Evil: 1"}, "a header holds printable ASCII only"),
        ({"headers": "é"}, "a header holds printable ASCII only"),
        ({"maxAge": -1}, "cors: maxAge=-1 is refused: it takes a whole number of seconds"),
        ({"maxAge": 1.5}, "cors: maxAge=1.5 is refused"),
        ({"maxAge": True}, "cors: maxAge=True is refused"),
        ({"maxAge": "60"}, "cors: maxAge='60' is refused"),
        ({"credentials": True}, "browsers refuse credentials with origin '*'; name the origins"),
        ({"credentials": True, "origin": [A, "*"]}, "browsers refuse credentials with origin '*'"),
    ],
)
def test_bad_options_are_refused(option, message):
    with pytest.raises(SettingsError) as raised:
        Cors(option)

    assert message in str(raised.value)
