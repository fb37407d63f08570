"""The facade: documented defaults, removed options, JSON backends, documented helpers."""

import inspect
import json
import logging
import sys
from decimal import Decimal
from types import SimpleNamespace

import flask
import pytest

from flaskJSONRPCServer import (
    ServerStateError,
    SettingsError,
    execBackendCollection,
    flaskJSONRPCServer,
    servBackendCollection,
)
from tests.helpers import call, call_wsgi, environ_of, get, post, result_of, rpc

DOCUMENTED = {
    "bindAdress": inspect.Parameter.empty,
    "multipleAdress": False,
    "blocking": False,
    "cors": False,
    "gevent": False,
    "debug": False,
    "log": 3,
    "fallback": True,
    "allowCompress": False,
    "ssl": False,
    "tweakDescriptors": (65536, 65536),
    "compressMinSize": 2097152,
    "jsonBackend": "simplejson",
    "notifBackend": "simple",
    "dispatcherBackend": "simple",
    "auth": None,
    "experimental": False,
    "controlGC": True,
    "magicVarForDispatcher": "_connection",
    "name": None,
    "servBackend": "auto",
}

METHODS = {
    "registerFunction": (
        "(dispatcher, path='', fallback=None, name=None, dispatcherBackend=None, notifBackend=None, *, rateLimit=None, "
        "timeout=None, validate=None, validateResult=None, title=None, tags=None, deprecated=None, examples=None, "
        "visible=None, notification=None, idempotent=None, mcp=None)"
    ),
    "registerInstance": (
        "(dispatcher, path='', fallback=None, dispatcherBackend=None, notifBackend=None, *, rateLimit=None, "
        "timeout=None, validate=None, validateResult=None, tags=None, deprecated=None, visible=None, idempotent=None, "
        "mcp=None)"
    ),
    "use": "(middleware, path=None)",
    "mapException": "(exception, *, code, message, data=None, path=None, name=None)",
    "start": "(joinLoop=False)",
    "stop": "(timeout=20, processingDispatcherCountMax=0)",
    "serveForever": "(restartOn=False, sleep=10, *, on_start=None)",
    "stats": "(inMS=False)",
    "lock": "(dispatcher=None)",
    "unlock": "(dispatcher=None, exclusive=False)",
    "wait": "(dispatcher=None, sleepMethod=None, returnStatus=False)",
    "_formatPath": "(path='')",
    "_getServerUrl": "(*args)",
    "_registerServerUrl": "(urlMap, methods=None)",
    "_fixJSON": "(o)",
    "_parseJSON": "(data)",
    "_serializeJSON": "(data)",
    "_compressGZIP": "(data)",
    "_uncompressGZIP": "(data)",
    "_copyRequestContext": "(request)",
    "_logger": "(level, *args)",
    "_speedStatsAdd": "(name, val)",
    "_controlGC": "(force=False)",
    "_tweakLimit": "(descriptors=(65536, 65536))",
}


def new_object():
    return object()


def make(**options):
    return flaskJSONRPCServer(None, **{"log": False, **options})


def signature_of(function):
    """Return the signature without annotations and without self."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    return str(inspect.Signature(parameters))


def test_constructor_has_the_documented_parameters_in_their_order():
    parameters = [
        p
        for p in inspect.signature(flaskJSONRPCServer).parameters.values()
        if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]

    assert {p.name: p.default for p in parameters} == DOCUMENTED
    assert [p.name for p in parameters] == list(DOCUMENTED)


@pytest.mark.parametrize("name", METHODS)
def test_method_has_the_documented_parameters(name):
    assert signature_of(getattr(flaskJSONRPCServer, name)) == METHODS[name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dispatcherBackend": "treaded"}, "unknown exec backend for dispatcherBackend 'treaded'"),
        ({"notifBackend": "simpel"}, "unknown exec backend for notifBackend 'simpel'; did you mean 'simple'?"),
        ({"dispatcherBackend": {"_id": "mine", "add": len}}, "without a function 'check' it runs notifications only"),
        ({"notifBackend": {"add": len}}, "a custom one has '_id' and a function 'add'"),
        ({"servBackend": "werkzoig"}, "unknown serving backend 'werkzoig'; did you mean 'werkzeug'?"),
        ({"servBackend": {"_id": "mine"}}, "a custom one has '_id' and a function 'start'"),
        ({"cors": {"orgin": "*"}}, "unknown cors key 'orgin'; did you mean 'origin'?"),
        ({"jsonBackend": SimpleNamespace(loads=json.loads)}, "it needs loads and dumps"),
        ({"jsonBackend": 5}, "it needs loads and dumps"),
        ({"jsonBackend": "math"}, "it needs loads and dumps"),
        ({"max_nesting_depth": 10**6}, "max_nesting_depth"),
    ],
)
def test_bad_option_is_refused_by_the_constructor(options, message):
    with pytest.raises(SettingsError) as raised:
        make(**options)

    assert message in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:80",
        ["127.0.0.1"],
        ["127.0.0.1", 80, 1],
        [80, "127.0.0.1"],
        ["", 80],
        ["a", -1],
        ["a", 65536],
        ["a", "x"],
        80,
    ],
)
def test_bad_address_is_refused_by_the_constructor(address):
    with pytest.raises(SettingsError, match=r"^bindAdress"):
        flaskJSONRPCServer(address, log=False)


@pytest.mark.parametrize("address", [["127.0.0.1", 0], ("127.0.0.1", "8080"), ["::1", 1], None])
def test_address_is_accepted(address):
    assert flaskJSONRPCServer(address, log=False).settings.bindAdress == address


@pytest.mark.parametrize("option", ["dispatcherBackend", "notifBackend"])
@pytest.mark.parametrize("register", ["registerFunction", "registerInstance"])
def test_backend_of_a_dispatcher_is_checked_at_registration(register, option):
    class Instance:
        def method(self):
            return 1

    server = make()
    with pytest.raises(SettingsError, match=f"unknown exec backend for {option} 'no'"):
        getattr(server, register)(len if register == "registerFunction" else Instance(), **{option: "no"})
    getattr(server, register)(len if register == "registerFunction" else Instance(), **{option: "simple"})


def test_prepared_backends_are_named():
    assert "simple" in execBackendCollection.execBackendMap
    assert "werkzeug" in servBackendCollection.servBackendMap


def test_restart_on_something_else_is_refused():
    with pytest.raises(SettingsError, match="restartOn='checkFileDescriptors' is refused"):
        make().serveForever(restartOn="checkFileDescriptors")


def test_server_without_address_cannot_start():
    with pytest.raises(ServerStateError, match="use init_app"):
        make().start()


def test_stop_without_start_does_nothing():
    server = make()
    server.stop()

    assert server.addresses == []


def test_name_is_kept_or_generated():
    assert make(name="mine").name == "mine"
    assert make(name="mine").flaskApp.name == "mine"
    assert make().name != make().name


def test_missing_json_module_falls_back_with_a_warning(caplog):
    server = flaskJSONRPCServer(None, jsonBackend="no_such_json_module")
    server.registerFunction(lambda value: value, path="/api", name="echo")

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "no_such_json_module" in record.getMessage()
    assert "'json'" in record.getMessage()
    assert result_of(server.getWSGI(), "echo", ["ж"]) == "ж"


def test_json_backend_of_the_user_reads_and_writes():
    seen = []

    def loads(text):
        seen.append("loads")
        return json.loads(text)

    def dumps(value, default=None):
        seen.append("dumps")
        return json.dumps(value, default=default)

    server = make(jsonBackend=SimpleNamespace(loads=loads, dumps=dumps))
    server.registerFunction(lambda value: value, path="/api", name="echo")

    assert result_of(server.getWSGI(), "echo", [[1]]) == [1]
    assert {"loads", "dumps"} <= set(seen)


@pytest.mark.parametrize("backend", ["json", "simplejson", "orjson", "msgspec", "rapidjson"])
def test_fix_json_of_a_subclass_is_used_and_may_fall_back(backend):
    class Money:
        pass

    class Server(flaskJSONRPCServer):
        def _fixJSON(self, o):
            return {"money": 1} if isinstance(o, Money) else super()._fixJSON(o)

    server = Server(None, log=False, jsonBackend=backend)
    server.registerFunction(lambda: [Money(), Decimal("1.5")], path="/api", name="values")

    assert result_of(server.getWSGI(), "values") == [{"money": 1}, "1.5"]


def test_fix_json_that_is_assigned_is_used():
    server = make()
    server.registerFunction(new_object, path="/api", name="value")
    server._fixJSON = lambda o: "fixed"

    assert result_of(server.getWSGI(), "value") == "fixed"


def test_fix_json_that_raises_is_an_internal_error():
    server = make()
    server.registerFunction(new_object, path="/api", name="value")

    def raises(o):
        raise RuntimeError("/secret")

    server._fixJSON = raises
    answer = call(server.getWSGI(), "value")
    assert answer["error"]["code"] == -32603
    assert "secret" not in repr(answer)


def test_parse_and_serialise():
    server = make()

    assert server._parseJSON('{"a": [1, "ж"]}') == {"a": [1, "ж"]}
    assert server._parseJSON(b"1") == 1
    assert server._serializeJSON({"a": [1, "ж", Decimal("1.5")]}) == '{"a":[1,"ж","1.5"]}'


def test_gzip_helpers_undo_each_other():
    server = make()

    assert server._uncompressGZIP(server._compressGZIP("ж" * 100)) == ("ж" * 100).encode()
    assert server._uncompressGZIP(server._compressGZIP(b"x")) == b"x"


@pytest.mark.parametrize(("path", "formatted"), [("", "/"), ("api", "/api/"), ("/api", "/api/")])
def test_format_path(path, formatted):
    assert make()._formatPath(path) == formatted


def test_server_urls_are_the_rules_of_flask():
    server = make()
    server.registerFunction(len, path="/api")

    urls = server._getServerUrl()
    assert "/static/<path:filename>" in urls
    assert {"/api/", "/api", "/api/<method>", "/api/<method>/"} <= set(urls)


def test_urls_added_later_are_served():
    server = make()
    server._registerServerUrl({"/page/<name>": lambda name: f"page {name}", "/other": lambda: "other"})
    server._registerServerUrl({"/put": lambda: "put"}, methods=["PUT"])
    application = server.getWSGI()

    assert call_wsgi(application, get("/page/a")).body == b"page a"
    assert call_wsgi(application, post(b"", "/other")).body == b"other"
    assert call_wsgi(application, get("/put")).code == 405
    assert {"/page/<name>", "/other"} <= set(server._getServerUrl())


def test_further_urls_may_be_added_while_serving():
    server = make()
    application = server.getWSGI()
    assert call_wsgi(application, get("/late")).code == 404
    server._registerServerUrl({"/late": lambda: "late"})

    assert call_wsgi(application, get("/late")).body == b"late"


def test_copy_of_a_flask_request():
    server = make()
    with server.flaskApp.test_request_context("/a?b=c", method="POST", data=b"body", headers={"Cookie": "d=e"}):
        copy = server._copyRequestContext(flask.request)

        assert copy["data"] == b"body"
    assert copy["args"] == {"b": "c"}
    assert copy["cookies"] == {"d": "e"}
    assert copy["method"] == "POST"
    assert copy["url"] == "http://localhost/a?b=c"


def test_speed_stats():
    server = make()
    server._speedStatsAdd("mine", 2000)

    assert server.stats()["speedStats"] == {"mine_max": 2, "mine_average": 2}
    assert server.stats(inMS=True)["speedStats"] == {"mine_max": 2000, "mine_average": 2000}


def test_rest_of_a_batch_is_not_run_after_the_answer_reached_its_limit():
    ran = []

    def run(number):
        ran.append(number)
        return "x" * 200

    server = make(max_response_bytes=500)
    server.registerFunction(run, path="/api")
    calls = [rpc("run", [number], request_id=number) for number in range(6)]
    answers = call_wsgi(server.getWSGI(), post(calls)).json()

    assert [answer["id"] for answer in answers] == list(range(6))
    assert [answer["id"] for answer in answers if "result" in answer] == [0, 1]
    assert {answer["error"]["code"] for answer in answers if "error" in answer} == {-32001}
    assert ran in ([0, 1], [0, 1, 2])


def test_nothing_of_a_batch_over_its_limit_is_run():
    ran = []
    server = make(max_batch_length=2)
    server.registerFunction(lambda: ran.append(1), path="/api", name="run")
    call_wsgi(server.getWSGI(), post([rpc("run")] * 3))

    assert ran == []


def test_dispatcher_without_get_does_not_run():
    ran = []
    server = make(fallback=False)
    server.registerFunction(lambda: ran.append(1), path="/api", name="run")

    assert call_wsgi(server.getWSGI(), get("/api/run")).code == 403
    assert ran == []


def test_callback_is_checked_before_the_dispatcher_runs():
    ran = []
    server = make()
    server.registerFunction(lambda: ran.append(1), path="/api", name="run")

    assert call_wsgi(server.getWSGI(), get("/api/run?jsonp=alert(1)")).code == 400
    assert ran == []


def test_environ_is_not_changed():
    server = make()
    server.registerFunction(lambda _connection: _connection.headers, path="/api", name="run")
    environ = environ_of(post(rpc("run")))
    before = set(environ)
    list(server.getWSGI()(environ, lambda status, headers: None))

    assert {key for key in environ if not key.startswith("werkzeug.")} == before


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("postprocessAdd", "flaskApp.after_request"),
        ("postprocessAdd_cb", "flaskApp.after_request"),
        ("utils", "the helpers are methods of the server"),
    ],
)
def test_removed_attribute_is_named_with_its_replacement(name, remedy):
    with pytest.raises(AttributeError, match=f"'{name}' is gone: .*{remedy}"):
        getattr(flaskJSONRPCServer(None), name)


def test_unknown_attribute_is_pythons_error():
    with pytest.raises(AttributeError, match=r"^'flaskJSONRPCServer' object has no attribute 'nothing'$"):
        flaskJSONRPCServer(None).nothing  # noqa: B018


def test_classes_of_the_old_servers_backends_are_found_or_named():
    package = sys.modules["flaskJSONRPCServer"]

    assert execBackendCollection.execBackend_threaded is execBackendCollection.ThreadedBackend
    assert package.execBackend_parallelWithSocket is execBackendCollection.ParallelBackend
    with pytest.raises(
        AttributeError, match="execBackend_threadd: unknown exec backend 'threadd'; did you mean 'threaded'"
    ):
        execBackendCollection.execBackend_threadd  # noqa: B018
    with pytest.raises(AttributeError, match="servBackend_wsgiex: a serving backend is named in servBackend, one of"):
        package.servBackend_wsgiex  # noqa: B018
    with pytest.raises(
        SettingsError, match="unknown serving backend 'wsgiex': it came with the old server; 'auto' takes"
    ):
        flaskJSONRPCServer(["127.0.0.1", 0], servBackend="wsgiex")
