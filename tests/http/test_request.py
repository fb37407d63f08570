"""A request is parsed lazily."""

import pytest

from flaskJSONRPCServer.http.refusals import BodyTooLarge
from flaskJSONRPCServer.http.request import Request, RequestCopy, RequestOptions
from flaskJSONRPCServer.proxies import TrustedProxies
from tests.helpers import UnreadableStream, environ_of, get, post


def make_request(request, trusted=(), **environ):
    return Request({**environ_of(request), **environ}, RequestOptions(TrustedProxies(trusted)))


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "client"),
    [
        ("9.9.9.9", None, (), "9.9.9.9"),
        ("9.9.9.9", "1.2.3.4", (), "9.9.9.9"),
        ("9.9.9.9", "1.2.3.4", ("10.0.0.1",), "9.9.9.9"),
        ("10.0.0.1", None, ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", " , ", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", ("10.0.0.1",), "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6,1.2.3.4", ("10.0.0.1",), "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4 , 10.0.0.2", ("10.0.0.1", "10.0.0.2"), "1.2.3.4"),
        ("10.0.0.1", "10.0.0.1", ("10.0.0.1",), "10.0.0.1"),
        ("", "1.2.3.4", ("10.0.0.1",), None),
        ("::1", "1.2.3.4", ("0:0:0:0:0:0:0:1",), "1.2.3.4"),
        ("::ffff:10.0.0.1", "1.2.3.4", ("10.0.0.1",), "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4", ("::ffff:10.0.0.1",), "1.2.3.4"),
        ("fe80::1", "1.2.3.4", ("FE80::1%eth0",), "1.2.3.4"),
        ("10.9.8.7", "1.2.3.4", ("10.0.0.0/8",), "1.2.3.4"),
        ("10.9.8.7", "1.2.3.4", ("::ffff:10.0.0.0/104",), "1.2.3.4"),
        ("11.0.0.1", "1.2.3.4", ("10.0.0.0/8",), "11.0.0.1"),
        ("2001:db8::7", "1.2.3.4", ("2001:db8::/32",), "1.2.3.4"),
        ("::1", "1.2.3.4, [::1], [::1]:99, 0:0:0:0:0:0:0:1, ::0001", ("::1",), "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, 10.0.0.1:99, ::ffff:10.0.0.1, ::FFFF:a00:1", ("10.0.0.1",), "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4:5555", ("10.0.0.1",), "1.2.3.4"),
        ("10.0.0.1", "[2001:DB8:0::1]:443", ("10.0.0.1",), "2001:db8::1"),
        ("10.0.0.1", "::ffff:1.2.3.4", ("10.0.0.1",), "1.2.3.4"),
        ("10.0.0.1", "unknown", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, unknown, 10.0.0.1", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4:x", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, [::1", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4 5", ("10.0.0.1",), "10.0.0.1"),
        ("not an address", "1.2.3.4", ("10.0.0.1",), "not an address"),
    ],
)
def test_remote_addr(peer, forwarded, trusted, client):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    assert make_request(get("/", headers), trusted, REMOTE_ADDR=peer).remote_addr == client


def test_very_many_peers_are_told_apart_without_end():
    proxies = TrustedProxies(["10.0.0.0/16"])

    found = [f"10.0.{number // 256}.{number % 256}" in proxies for number in range(5000)]

    assert all(found)
    assert "10.1.0.0" not in proxies


def test_body_is_read_once_and_kept():
    request = make_request(post(b"{}"))

    assert request.body(10) == b"{}"
    assert request.body(10) == b"{}"


def test_body_over_the_limit_is_refused():
    with pytest.raises(BodyTooLarge):
        make_request(post(b"{}")).body(1)


def test_copy_is_a_dict_that_has_everything_but_the_body():
    request = make_request(
        get("/api/m?a=1&b=2", {"Cookie": "c=3; d=4", "X-Some": "e"}), **{"wsgi.input": UnreadableStream()}
    )
    copy = RequestCopy(request, 10)

    assert isinstance(copy, dict)
    assert copy["headers"] == {"Host": "127.0.0.1:8080", "Cookie": "c=3; d=4", "X-Some": "e"}
    assert copy["cookies"] == {"c": "3", "d": "4"}
    assert copy["args"] == {"a": "1", "b": "2"}
    assert copy["method"] == "GET"
    assert copy["url"] == "http://127.0.0.1:8080/api/m?a=1&b=2"
    assert copy["remote_addr"] == "127.0.0.1"
    assert copy["environ"]["PATH_INFO"] == "/api/m"


def test_copy_reads_the_body_on_first_access():
    request = make_request(post(b"{}"))
    copy = RequestCopy(request, 10)

    assert copy["data"] == b"{}"
    assert copy.data == b"{}"
    assert request.body(10) == b"{}"


def test_copy_reads_as_attributes_too():
    copy = RequestCopy(make_request(get("/?a=1")), 10)

    assert copy.args == {"a": "1"}
    assert copy.form == {}
    assert copy["form"] == {}


@pytest.mark.parametrize(("field", "value"), [("data", b"{}"), ("form", {}), ("method", "POST")])
def test_every_field_of_a_copy_is_found_as_in_any_dict(field, value):
    copy = RequestCopy(make_request(post(b"{}")), 10)

    assert field in copy
    assert copy.get(field) == value


def test_testing_a_copy_for_data_does_not_read_the_body():
    copy = RequestCopy(make_request(post(b"{}"), **{"wsgi.input": UnreadableStream()}), 10)

    assert "data" in copy


def test_copy_has_nothing_else():
    copy = RequestCopy(make_request(get("/")), 10)

    with pytest.raises(KeyError, match="no_such"):
        copy["no_such"]
    with pytest.raises(AttributeError, match="no_such"):
        copy.no_such  # noqa: B018 (the access itself is what is tested)
    assert "no_such" not in copy
    assert copy.get("no_such", "none") == "none"


def test_copy_is_independent_of_the_request():
    request = make_request(get("/?a=1"))
    copy = RequestCopy(request, 10)
    copy["args"]["a"] = "changed"
    copy["environ"]["PATH_INFO"] = "changed"

    assert RequestCopy(request, 10)["args"] == {"a": "1"}
    assert request.environ["PATH_INFO"] == "/"


NAMES = {"headers", "cookies", "environ", "remote_addr", "method", "url", "args", "form"}


@pytest.mark.parametrize(
    "names", [list, dict, lambda copy: copy.keys(), lambda copy: dict(copy.items()), lambda copy: {**copy}]
)
def test_iterating_a_copy_yields_all_fields(names):
    assert set(names(RequestCopy(make_request(get("/?a=1")), 10))) == NAMES


def test_copy_is_as_long_as_it_has_fields_and_equal_to_a_dict_of_them():
    copy = RequestCopy(make_request(get("/?a=1")), 10)

    assert len(copy) == len(copy.values()) == len(NAMES)
    assert copy == dict(copy)
    assert copy != {}
    assert copy.get("args") == {"a": "1"}


def test_change_of_a_copy_does_not_leak():
    copy = RequestCopy(make_request(get("/?a=1")), 10)
    copy["args"]["b"] = "2"
    copy["cookies"] = {}

    assert dict(copy)["args"] == {"a": "1", "b": "2"}
    assert dict(copy)["cookies"] == {}
