"""The magic variable: every documented field, as attribute and as key."""

import re

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_wsgi, get, post, result_of, rpc

FIELDS = (
    "headers",
    "cookies",
    "ip",
    "headersOut",
    "cookiesOut",
    "uniqueId",
    "jsonp",
    "mimeType",
    "allowCompress",
    "server",
    "serverName",
    "servedBy",
    "call",
    "nativeThread",
    "notify",
    "deadline",
    "remaining",
    "cancelled",
    "grant",
    "progress",
    "dispatcher",
    "path",
    "dispatcherName",
)
WRITTEN = {
    **{name: "written" for name in FIELDS if name not in ("remaining", "cancelled", "grant")},  # others decide them
    "headersOut": {"X-A": "a"},
    "cookiesOut": [{"name": "a", "value": "b"}],
    "allowCompress": True,
    "jsonp": "%(data)s",
    "mimeType": "text/x",
}
TOOLS = ("lockThis", "unlockThis", "waitThis", "lock", "unlock", "wait", "sleep", "log")


def seen(inspect, request=None, target="/api", **options):
    """Call a dispatcher that passes its connection to `inspect`; return the result of `inspect`, and the answer."""
    server = flaskJSONRPCServer(None, log=options.pop("log", False), name="theirs", **options)
    inspected = []

    def dispatcher(_connection):
        inspected.append(inspect(_connection))
        return True

    server.registerFunction(dispatcher, path="/api")
    answer = call_wsgi(server.getWSGI(), request or post(rpc("dispatcher"), target))
    assert inspected, answer
    return inspected[0], server, dispatcher, answer


@pytest.mark.parametrize("name", FIELDS)
def test_field_is_the_same_as_attribute_and_as_key(name):
    (by_attribute, by_key, by_get, contained), *_ = seen(lambda c: (getattr(c, name), c[name], c.get(name), name in c))

    assert by_attribute is by_key or by_attribute == by_key
    assert by_get is by_key or by_get == by_key
    assert contained


@pytest.mark.parametrize("name", WRITTEN)
def test_field_is_written_as_attribute(name):
    def write(connection):
        setattr(connection, name, WRITTEN[name])
        return connection[name]

    assert seen(write)[0] == WRITTEN[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_field_is_written_as_key(name):
    def write(connection):
        connection[name] = WRITTEN[name]
        return getattr(connection, name)

    assert seen(write)[0] == WRITTEN[name]


def test_values_of_a_post():
    request = post(
        rpc("dispatcher"),
        headers={"X-Some": "some", "Cookie": "a=1; b=2"},
        environ={"SERVER_NAME": "127.0.0.9", "SERVER_PORT": "1234", "REMOTE_ADDR": "127.0.0.3"},
    )
    names = [name for name in FIELDS if name not in ("call", "headers", "progress", "uniqueId")]
    values, server, dispatcher, _ = seen(lambda c: {name: c[name] for name in names}, request)

    assert values == {
        "cookies": {"a": "1", "b": "2"},
        "ip": "127.0.0.3",
        "headersOut": {},
        "cookiesOut": [],
        "jsonp": False,
        "mimeType": "application/json",
        "allowCompress": False,
        "server": server,
        "serverName": "theirs",
        "servedBy": (False, "127.0.0.9", 1234),
        "nativeThread": True,
        "notify": False,
        "deadline": None,
        "remaining": None,
        "cancelled": False,
        "grant": None,
        "dispatcher": dispatcher,
        "path": "/api/",
        "dispatcherName": "dispatcher",
    }


def test_headers_are_a_dict():
    headers, *_ = seen(lambda c: c.headers, post(rpc("dispatcher"), headers={"X-Some": "some"}))

    assert type(headers) is dict
    assert headers["X-Some"] == "some"
    assert headers["Content-Type"] == "application/json"


def test_unique_id_stays_through_a_request_and_changes_with_it():
    first, *_ = seen(lambda c: (c.uniqueId, c.uniqueId))
    second, *_ = seen(lambda c: c.uniqueId)

    assert first[0] == first[1] != second
    assert re.fullmatch("[0-9a-f]{40}", second)


def test_notification_is_notify():
    notification = post({"jsonrpc": "2.0", "method": "dispatcher"})

    assert seen(lambda c: c.notify, notification)[0] is True


def test_jsonp_is_the_output_format():
    request = get("/api/dispatcher?jsonp=f")

    assert seen(lambda c: (c.jsonp, c.mimeType), request)[0] == (
        "%(callback)s(%(data)s);",
        "text/javascript; charset=utf-8",
    )


def test_get_without_callback_is_no_jsonp():
    assert seen(lambda c: (c.jsonp, c.mimeType), get("/api/dispatcher"))[0] == (False, "application/json")


def test_ip_without_peer_is_none():
    assert seen(lambda c: c.ip, post(rpc("dispatcher"), environ={"REMOTE_ADDR": ""}))[0] is None


def test_served_by_without_a_port_has_the_host():
    request = post(rpc("dispatcher"), environ={"SERVER_NAME": "/run/api.sock", "SERVER_PORT": ""})

    assert seen(lambda c: c.servedBy, request)[0][1] == "/run/api.sock"


@pytest.mark.parametrize("key", ["no_such", "_request", "_outgoing", "__class__", "__init__"])
def test_key_that_is_no_field(key):
    def look(connection):
        with pytest.raises(KeyError):
            connection[key]
        return key in connection, connection.get(key), connection.get(key, "default")

    assert seen(look)[0] == (False, None, "default")


def test_keys_are_the_documented_ones():
    keys, *_ = seen(sorted)

    assert keys == sorted(FIELDS)


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_are_callable_as_attributes_and_keys(tool):
    assert seen(lambda c: callable(getattr(c.call, tool)) and callable(c.call[tool]) and callable(c["call"][tool]))[0]


@pytest.mark.parametrize("field", [*FIELDS, *TOOLS])
def test_documentation_names_every_field(field):
    about = flaskJSONRPCServer.aboutMagicVarForDispatcher

    assert isinstance(about, str)
    assert re.search(rf"\b{field}\b", about)


def test_tools_lock_and_unlock_this_dispatcher():
    def use(connection):
        connection.call.lockThis()
        while_locked = connection.call.waitThis(returnStatus=True)
        connection.call.unlockThis()
        connection.call.waitThis()
        return while_locked, connection.call.waitThis(returnStatus=True)

    assert seen(use)[0] == (True, False)


def test_tools_lock_the_server_and_give_exclusive_permission():
    def use(connection):
        tools = connection.call
        tools.lock()
        before = tools.waitThis(True)
        tools.unlockThis(exclusive=True)
        after = (tools.waitThis(True), tools.wait(returnStatus=True))
        tools.unlock()
        tools.wait()
        return before, after, tools.wait(returnStatus=True)

    assert seen(use)[0] == (True, (False, True), False)


def test_tools_lock_another_dispatcher():
    def other():
        return 1

    def use(connection):
        tools = connection.call
        tools.lock(other)
        before = tools.wait(other, returnStatus=True), tools.waitThis(returnStatus=True)
        tools.unlock(other)
        return before, tools.wait(other, returnStatus=True)

    assert seen(use)[0] == ((True, False), False)


def test_tools_sleep_and_log(caplog):
    def use(connection):
        connection.call.sleep(0)
        connection.call.log(2, "a", "warning")
        connection.call.log("critical")

    seen(use, log=3)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "a warning"),
        ("CRITICAL", "critical"),
    ]


def test_answer_is_shared_by_the_calls_of_a_batch():
    server = flaskJSONRPCServer(None, log=False)

    def first(_connection):
        _connection.headersOut["X-A"] = "a"

    def second(_connection):
        return [_connection.headersOut["X-A"], _connection.uniqueId]

    def third(_connection):
        return _connection.uniqueId

    for function in (first, second, third):
        server.registerFunction(function)
    calls = [rpc(name, request_id=name) for name in ("first", "second", "third")]
    answer = call_wsgi(server.getWSGI(), post(calls, "/"))

    results = {response["id"]: response["result"] for response in answer.json()}
    assert results["second"] == ["a", results["third"]]
    assert answer.header("X-A") == "a"


def test_magic_variable_under_another_name():
    server = flaskJSONRPCServer(None, log=False, magicVarForDispatcher="ctx")
    server.registerFunction(lambda ctx, a: [ctx.dispatcherName, a], name="n", path="/api")

    assert result_of(server.getWSGI(), "n", [1]) == ["n", 1]
