"""The errors that exceptions become by ``mapException``, in the serving thread."""

import enum
import logging
import signal
import threading

import flask
import pytest
import werkzeug.exceptions

from flaskJSONRPCServer import JsonRpcApplicationError, RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.contract.errors import DeclaredError
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError
from tests.helpers import call, call_wsgi, get, post, rpc

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

SECRET = "a secret"


class LibraryError(Exception):
    pass


class NearError(LibraryError):
    pass


class BothError(NearError, KeyError):
    pass


KINDS = {
    kind.__name__: kind
    for kind in (
        *(ZeroDivisionError, KeyError, IndexError, TypeError, KeyboardInterrupt, SystemExit),
        *(LibraryError, NearError, BothError, werkzeug.exceptions.NotFound, werkzeug.exceptions.BadRequestKeyError),
        *(JsonRpcApplicationError, JsonRpcInvalidParamsError),
    )
}


def fail(kind):
    raise KINDS[kind](SECRET)


def make(**options):
    server = flaskJSONRPCServer(None, **{"log": False, **options})
    server.registerFunction(fail, path="/api")
    server.registerFunction(fail, path="/api", name="fail_too")
    server.registerFunction(fail, path="/other")
    return server


def error_of(server, kind, method="fail", target="/api"):
    return call(server.getWSGI(), method, [kind], target=target)["error"]


def test_exception_is_the_error():
    server = make()
    server.mapException(ZeroDivisionError, code=1001, message="Division by zero")

    assert error_of(server, "ZeroDivisionError") == {"code": 1001, "message": "Division by zero"}
    assert error_of(server, "KeyError")["code"] == -32603


def test_get_and_jsonp_have_the_error():
    server = make()
    server.mapException(ZeroDivisionError, code=1001, message="Division by zero")

    answer = call_wsgi(server.getWSGI(), get("/api/fail?kind=ZeroDivisionError&jsonp=show"))
    assert b'"code":1001,"message":"Division by zero"' in answer.body


@pytest.mark.parametrize(
    ("mapped", "kind", "code"),
    [
        ({Exception: 1}, "NearError", 1),
        ({Exception: 1, LibraryError: 2}, "NearError", 2),
        ({NearError: 3, LibraryError: 2}, "NearError", 3),
        ({NearError: 3}, "LibraryError", -32603),
        ({KeyError: 4, NearError: 3}, "BothError", 3),
        ({KeyError: 4, LibraryError: 2}, "BothError", 2),
        ({LookupError: 5}, "BothError", 5),
        ({Exception: 1}, "SystemExit", -32603),
        ({BaseException: 6}, "SystemExit", 6),
        ({BaseException: 6}, "KeyboardInterrupt", 6),
    ],
)
def test_nearest_class_decides(mapped, kind, code):
    server = make()
    for exception, code_of_class in mapped.items():
        server.mapException(exception, code=code_of_class, message="m")

    assert error_of(server, kind)["code"] == code


def test_method_decides_before_its_path_and_the_path_before_the_server():
    server = make()
    server.mapException(NearError, code=1, message="server")
    server.mapException(LibraryError, code=2, message="path", path="api")
    server.mapException(Exception, code=3, message="method", path="/api/", name="fail_too")

    assert error_of(server, "NearError", "fail_too")["message"] == "method"
    assert error_of(server, "NearError")["message"] == "path"
    assert error_of(server, "NearError", target="/other")["message"] == "server"
    assert error_of(server, "KeyError")["code"] == -32603
    assert error_of(server, "KeyError", "fail_too")["message"] == "method"


def test_method_on_the_root_path():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(fail)
    server.mapException(KeyError, code=7, message="root", path="", name="fail")

    assert error_of(server, "KeyError", target="/")["code"] == 7


def test_message_and_data_may_be_functions_of_the_exception():
    server = make()
    server.mapException(KeyError, code=1, message=str, data=lambda exc: {"args": list(exc.args)})

    assert error_of(server, "KeyError") == {"code": 1, "message": repr(SECRET), "data": {"args": [SECRET]}}


@pytest.mark.parametrize("data", [0, False, "", [], {}])
def test_data_may_be_any_json_value(data):
    server = make()
    server.mapException(KeyError, code=1, message="m", data=data)

    assert error_of(server, "KeyError") == {"code": 1, "message": "m", "data": data}


def test_data_function_that_returns_none_means_no_data():
    server = make()
    server.mapException(KeyError, code=1, message="m", data=lambda exc: None)

    assert error_of(server, "KeyError") == {"code": 1, "message": "m"}


def raise_runtime_error(exc):
    raise RuntimeError("another secret")


def leave(exc):
    raise SystemExit("another secret")


@pytest.mark.parametrize(
    "functions",
    [
        {"message": raise_runtime_error},
        {"message": leave},
        {"message": lambda exc: exc},
        {"message": lambda: "too few parameters"},
        {"message": "m", "data": raise_runtime_error},
    ],
)
def test_mapping_that_fails_is_an_internal_error_that_is_logged_once(functions, caplog):
    server = make(log=3)
    server.mapException(KeyError, code=1, **functions)

    error = error_of(server, "KeyError")
    (record,) = caplog.records
    assert (error["code"], error["message"]) == (-32603, "Internal error")
    assert error["data"]["correlationId"] in record.getMessage()
    assert "dispatcher /api/fail raised KeyError, and mapException failed for it" in record.getMessage()
    assert SECRET in caplog.text, "the exception of the dispatcher is in the log too"


def test_data_without_a_json_form_is_an_internal_error(caplog):
    server = make(log=3)
    server.mapException(KeyError, code=1, message="m", data=object())

    assert error_of(server, "KeyError")["code"] == -32603
    assert "the error of 'fail' cannot be sent as JSON: data" in caplog.text


def test_mapped_exception_is_logged_at_level_debug_only(caplog):
    server = make(log=3)
    server.mapException(KeyError, code=1, message="m")
    error_of(server, "KeyError")
    assert caplog.records == []

    server = make(log=4)
    server.mapException(KeyError, code=1, message="m")
    error_of(server, "KeyError")
    records = [record for record in caplog.records if "mapped" in record.getMessage()]
    assert [record.levelno for record in records] == [logging.DEBUG]
    assert "dispatcher /api/fail raised KeyError, which is mapped to 1" in records[0].getMessage()
    assert SECRET in caplog.text


def test_mapped_exceptions_count_as_failed_calls():
    server = make()
    server.mapException(KeyError, code=1, message="m")
    error_of(server, "KeyError")

    stats = server.stats()
    assert (stats["dispatcherCount"], stats["dispatcherErrorCount"]) == (1, 1)
    assert stats["dispatchers"]["/api/fail"]["errors"] == 1


@pytest.mark.parametrize(("kind", "code"), [("JsonRpcApplicationError", -1), ("JsonRpcInvalidParamsError", -32602)])
def test_json_rpc_errors_pass_as_they_are(kind, code):
    server = make()
    server.mapException(Exception, code=1, message="m")

    assert error_of(server, kind) == {"code": code, "message": SECRET}


def test_wrong_parameters_are_no_exception_of_the_function():
    server = make()
    server.mapException(Exception, code=1, message="m")

    assert call(server.getWSGI(), "fail", [])["error"]["code"] == -32602
    assert call(server.getWSGI(), "fail", [1, 2])["error"]["code"] == -32602
    assert error_of(server, "TypeError")["code"] == 1


@pytest.mark.parametrize(
    ("mapped", "kind", "code"),
    [
        (Exception, "NotFound", -32008),
        (KeyError, "BadRequestKeyError", -32008),
        (werkzeug.exceptions.HTTPException, "NotFound", 9),
        (werkzeug.exceptions.NotFound, "NotFound", 9),
        (werkzeug.exceptions.BadRequest, "BadRequestKeyError", 9),
    ],
)
def test_http_exceptions_keep_their_meaning_unless_they_are_mapped_themselves(mapped, kind, code):
    server = make()
    server.mapException(mapped, code=9, message="m")

    assert error_of(server, kind)["code"] == code


def test_abort_of_flask_may_be_mapped():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: flask.abort(403), path="/api", name="forbidden")
    server.mapException(werkzeug.exceptions.Forbidden, code=403, message="No", data=lambda exc: exc.code)

    assert call(server.getWSGI(), "forbidden")["error"] == {"code": 403, "message": "No", "data": 403}


def test_signal_to_the_program_is_not_mapped():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: signal.raise_signal(signal.SIGINT), name="interrupted", path="/api")
    server.mapException(BaseException, code=1, message="m")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call(server.getWSGI(), "interrupted")
    finally:
        signal.signal(signal.SIGINT, before)


def test_exception_is_not_propagated_by_flask_if_it_is_mapped():
    server = make(flaskContext=True)
    server.flaskApp.config["PROPAGATE_EXCEPTIONS"] = True
    server.mapException(KeyError, code=1, message="m")

    assert error_of(server, "KeyError")["code"] == 1
    with pytest.raises(IndexError):
        error_of(server, "IndexError")


def test_mapping_applies_from_the_next_exception_on_and_a_later_one_replaces_it():
    server = make()
    codes = [error_of(server, "KeyError")["code"]]
    for code in (1, 2):
        server.mapException(KeyError, code=code, message="m")
        codes.append(error_of(server, "KeyError")["code"])

    assert codes == [-32603, 1, 2]


def test_mappings_of_several_threads_are_all_kept():
    server = make()
    kinds = [type(f"Error{number}", (Exception,), {}) for number in range(200)]
    ready = threading.Barrier(4)

    def map_part(part):
        ready.wait()
        for kind in kinds[part::4]:
            server.mapException(kind, code=int(kind.__name__[5:]), message="m")

    threads = [threading.Thread(target=map_part, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {error.code for error in server._engine.mapped_errors("/api", "fail")} == set(range(200))


def test_reload_and_restart_keep_the_mappings(tmp_path):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False)
    server.registerFunction(fail, path="/api")
    server.mapException(KeyError, code=1, message="m", path="/api", name="fail")
    server.start()
    try:
        server.restart()
        script = tmp_path / "script.py"
        script.write_text("def fail(kind):\n    raise KeyError\n")
        server.reload({"dispatcher": "fail", "scriptPath": str(script), "path": "/api"}, safely=False)
        assert error_of(server, "unused")["code"] == 1
    finally:
        server.stop()


class Code(enum.IntEnum):
    LOW = 12


def test_code_may_be_a_member_of_an_enumeration():
    server = make(jsonBackend="orjson")
    server.mapException(KeyError, code=Code.LOW, message="m")

    assert b'"code":12,' in call_wsgi(server.getWSGI(), post(rpc("fail", ["KeyError"]))).body


@pytest.mark.parametrize("code", [-32768, -32700, -32603, -32602, -32099, -32000, True, False, 1.0, "1", None])
def test_code_that_belongs_to_json_rpc_or_is_no_integer_is_refused(code):
    with pytest.raises(RegistrationError, match=rf"code={code!r} is refused: it takes an integer outside -32768 to"):
        make().mapException(KeyError, code=code, message="m")


@pytest.mark.parametrize("code", [-32769, -31999, 0, -1, 2**53])
def test_every_other_integer_is_a_code(code):
    server = make()
    server.mapException(KeyError, code=code, message="m")

    assert error_of(server, "KeyError")["code"] == code


@pytest.mark.parametrize(
    ("exception", "options", "text"),
    [
        (KeyError("k"), {}, r"KeyError\('k'\) cannot be mapped: mapException takes one class of exceptions"),
        (int, {}, "mapException takes one class of exceptions"),
        ((KeyError, IndexError), {}, "mapException takes one class of exceptions"),
        ("KeyError", {}, "mapException takes one class of exceptions"),
        (JsonRpcApplicationError, {}, "it is a JSON-RPC error already"),
        (KeyError, {"message": None}, "message=None is refused: it takes a string, or a function"),
        (KeyError, {"message": b"m"}, "message=b'm' is refused"),
        (KeyError, {"name": "fail"}, "name='fail' without a path is refused: give path= too, '' for the root"),
        (KeyError, {"path": "/a?b"}, "path='/a\\?b' is refused"),
        (KeyError, {"path": 5}, "path=5 is refused"),
        (KeyError, {"path": "", "name": ""}, "'' cannot be a method's name"),
    ],
)
def test_invalid_mapping_is_refused_and_changes_nothing(exception, options, text):
    server = make()
    with pytest.raises(RegistrationError, match=text):
        server.mapException(exception, **{"code": 1, "message": "m", **options})

    assert server._engine.mapped_errors("/api", "fail") == ()


def test_mapped_errors_of_a_method_are_listed_the_narrowest_first():
    server = make()
    fail_too = server._engine.router.table.find("/api/", "fail_too")
    server.registerFunction(fail_too.function, path="/api", name="alias")
    server.mapException(KeyError, code=1, message="key")
    server.mapException(NearError, code=2, message="hidden by the path")
    server.mapException(LibraryError, code=3, message=str, path="/api")
    server.mapException(IndexError, code=4, message="index", path="/api", name="fail")
    server.mapException(OSError, code=1, message="key")

    key, library = DeclaredError(1, "key"), DeclaredError(3, "Application error")
    assert server._engine.mapped_errors("api", "fail") == (DeclaredError(4, "index"), library, key)
    assert server._engine.mapped_errors("/api/", "fail_too") == (library, key)
    assert server._engine.mapped_errors("/other", "fail") == (key, DeclaredError(2, "hidden by the path"))
