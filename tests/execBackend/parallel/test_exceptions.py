"""Exceptions of dispatchers in children that `mapException` makes errors of."""

import json
import threading

from tests.execBackend.parallel import dispatchers
from tests.execBackend.parallel.pools import error_of, run, running, write_program
from tests.helpers import call, result_of

PROGRAM = """
import json
from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call

LIMIT = 5


class OverLimit(Exception):
    pass


class FarOverLimit(OverLimit):
    pass


def take(count):
    if count > LIMIT:
        raise FarOverLimit(count)
    return {"a": 1}[count]


def describe(exc):
    return {"limit": LIMIT, "count": exc.args[0], "is_main": type(exc) is FarOverLimit}


if __name__ == "__main__":
    server = flaskJSONRPCServer(None, dispatcherBackend="parallel", log=0)
    server.registerFunction(take, path="/api")
    server.mapException(OverLimit, code=1, message=lambda exc: f"over {LIMIT}", data=describe)
    application = server.getWSGI()
    errors = [call(application, "take", [7])["error"], call(application, "take", [3])["error"]["code"]]
    server.mapException(FarOverLimit, code=2, message="far over")
    server.mapException(KeyError, code=3, message="no key")
    errors += [call(application, "take", [7])["error"], call(application, "take", [3])["error"]["code"]]
    server.stop()
    print(json.dumps(errors))
"""


def test_classes_and_functions_of_the_main_program_are_mapped_and_may_change_while_it_serves(tmp_path):
    done = run(write_program(tmp_path, PROGRAM))

    assert json.loads(done.stdout or "null") == [
        {"code": 1, "message": "over 5", "data": {"limit": 5, "count": 7, "is_main": True}},
        -32603,
        {"code": 2, "message": "far over"},
        3,
    ], done.stderr


def test_mapping_that_cannot_be_pickled_is_an_internal_error_that_names_it(caplog):
    with running(log=3) as (server, application):
        lock = threading.Lock()
        server.registerFunction(dispatchers.add, path="/other")
        server.mapException(TypeError, code=1, message=lambda exc: str(lock), path="/api")

        assert error_of(application, "add", [1])["code"] == -32603
        assert call(application, "add", [1], target="/other")["result"] == 2
    assert "dispatcher /api/add cannot be sent to a child process: its mapException has a function that" in caplog.text


def test_mapping_with_data_that_cannot_be_sent_back_is_an_internal_error(caplog):
    with running(log=3) as (server, application):
        server.mapException(TypeError, code=1, message="m", data=lambda exc: threading.Lock())

        assert error_of(application, "add", [[]])["code"] == -32603
        assert result_of(application, "add", [1]) == 2
    assert "the result of 'add' cannot be sent to the server's process: data" in caplog.text


def test_mapped_exception_of_a_child_is_logged_at_level_debug_only(caplog):
    for level in (3, 4):
        with running(log=level) as (server, application):
            server.mapException(TypeError, code=1, message="m")
            assert error_of(application, "add", [[]]) == {"code": 1, "message": "m"}
    records = [record for record in caplog.records if "mapped" in record.getMessage()]
    assert [record.levelname for record in records] == ["DEBUG"]


def test_reload_keeps_the_mapping(tmp_path):
    script = tmp_path / "script.py"
    with running() as (server, application):
        server.mapException(LookupError, code=1, message=repr)
        codes = []
        for kind in ("IndexError", "KeyError"):
            script.write_text(f"def fail():\n    raise {kind}('k')\n")
            server.reload({"dispatcher": "fail", "scriptPath": str(script), "path": "/api"}, safely=False)
            codes.append(error_of(application, "fail"))

    assert codes == [{"code": 1, "message": "IndexError('k')"}, {"code": 1, "message": "KeyError('k')"}]
