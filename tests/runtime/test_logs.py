"""The log: levels, one record for each call, no forged records."""

import contextlib
import io
import json
import logging
import re
import subprocess
import sys
import uuid

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.json_log import JsonFormatter
from flaskJSONRPCServer.runtime.logs import CRITICAL, DEBUG, ERROR, INFO, WARNING, ServerLog
from tests.helpers import call

NAMES = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]


@pytest.fixture
def name():
    return f"test_{uuid.uuid4().hex}"


def test_numbers_are_the_documented_ones():
    assert (CRITICAL, ERROR, WARNING, INFO, DEBUG) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(("level", "shown"), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (False, 1), (True, 4)])
def test_level_shows_itself_and_all_below(level, shown, name, caplog):
    log = ServerLog(name, level)
    for number in range(5):
        log.write(number, "text", number)

    assert [record.levelname for record in caplog.records] == NAMES[:shown]
    assert [record.getMessage() for record in caplog.records] == [f"text {number}" for number in range(shown)]


@pytest.mark.parametrize(
    ("args", "level", "message"),
    [
        (("text",), "CRITICAL", "text"),
        (("text", 1, None), "CRITICAL", "text 1 None"),
        ((0, "text"), "CRITICAL", "text"),
        ((1, "text"), "ERROR", "text"),
        ((4, "a", "b"), "DEBUG", "a b"),
        ((5, "text"), "CRITICAL", "5 text"),
        ((-1, "text"), "CRITICAL", "-1 text"),
        ((True, "text"), "CRITICAL", "True text"),
        ((1.0, "text"), "CRITICAL", "1.0 text"),
        (("3", "text"), "CRITICAL", "3 text"),
        ((["a"], {"b": 1}), "CRITICAL", "['a'] {'b': 1}"),
        ((3,), "INFO", ""),
    ],
)
def test_documented_logger(args, level, message, name, caplog):
    flaskJSONRPCServer(None, log=4, name=name)._logger(*args)

    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (level, message)
    assert record.name == f"flaskJSONRPCServer.{name}"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\nb", r"a\nb"),
        ("a\r\nb", r"a\r\nb"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\0\x07\x7f\x85", r"\x00\x07\x7f\x85"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202e", r"\u202e"),
        ("\ud800", r"\ud800"),
        ("ж é 漢 %s %d {}", "ж é 漢 %s %d {}"),
        ("tab\there", r"tab\there"),
    ],
)
def test_control_characters_are_escaped(text, written, name, caplog):
    ServerLog(name, 4).write(INFO, text)

    assert [record.getMessage() for record in caplog.records] == [written]


def test_traceback_is_added(name, caplog):
    log = ServerLog(name, 4)
    try:
        raise ValueError("reason")
    except ValueError:
        log.write(ERROR, "it failed", traceback=True)

    (record,) = caplog.records
    assert record.exc_info[0] is ValueError
    assert record.getMessage() == "it failed"


def test_false_shows_critical_only(name, caplog):
    server = flaskJSONRPCServer(None, log=False, name=name)
    for level in (4, 3, 2, 1):
        server._logger(level, "hidden")
    server._logger("shown")

    assert [record.getMessage() for record in caplog.records] == ["shown"]


def test_suppressed_record_is_not_formatted(name):
    formatted = []

    class Noticing:
        def __str__(self):
            formatted.append(self)
            return ""

    ServerLog(name, 1).write(DEBUG, Noticing())

    assert formatted == []


def test_two_servers_have_levels_of_their_own(name, caplog):
    quiet, loud = ServerLog(name, 0), ServerLog(f"{name}_2", 4)
    quiet.write(ERROR, "quiet")
    loud.write(ERROR, "loud")

    assert [record.getMessage() for record in caplog.records] == ["loud"]


def test_without_configuration_records_go_to_standard_error_once(name, capsys, monkeypatch):
    root = logging.getLogger()
    package = logging.getLogger("flaskJSONRPCServer")
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(package, "handlers", [])
    logs = [ServerLog(f"{name}_{number}", 3) for number in range(3)]
    for log in logs:
        log.write(INFO, "said\nonce")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(
        line.endswith(rf"INFO flaskJSONRPCServer.{name}_{number}: said\nonce") for number, line in enumerate(lines)
    )


def test_documented_preparation_splits_off_the_level(name):
    server = flaskJSONRPCServer(None, log=False, name=name)

    assert server._loggerPrep(2, ("a", 1)) == (2, ["a", 1])
    assert server._loggerPrep("text", ["a"]) == (CRITICAL, ["text", "a"])


class Recording(flaskJSONRPCServer):
    """A server that logs to a list."""

    def __init__(self, *args, **options):
        self.written = []
        super().__init__(*args, **options)

    def _logger(self, level, *args):
        self.written.append((level, *args))


def fail():
    raise LookupError("a shelf")


def log_and_fail(_connection):
    _connection.call.log(2, "from inside")
    fail()


def test_logger_of_a_subclass_gets_records_with_tracebacks_as_text(name, caplog):
    server = Recording(None, log=False, name=name)
    server.registerFunction(log_and_fail, path="/api")
    call(server.getWSGI(), "log_and_fail")

    inside, (level, *parts, traceback) = server.written
    assert inside == (2, "from inside")
    assert level == ERROR
    assert parts
    assert traceback.startswith("  Traceback (most recent call last):\n")
    assert traceback.endswith("\n  LookupError: a shelf")
    assert not caplog.records


def test_logger_assigned_to_an_instance_may_call_the_documented_one(name, caplog):
    server = flaskJSONRPCServer(None, log=3, name=name)
    documented = server._logger
    server._logger = lambda level, *args: documented(level, "[mine]", *args)
    server.registerFunction(fail, path="/api")
    call(server.getWSGI(), "fail")

    (record,) = caplog.records
    assert record.getMessage().startswith("[mine] ")
    assert "Traceback" not in record.getMessage()
    assert record.exc_info[0] is LookupError


def test_preparation_assigned_to_an_instance_decides_on_the_level(name, caplog):
    server = flaskJSONRPCServer(None, log=4, name=name)
    server._loggerPrep = lambda level, args: (WARNING, ["prepared", level, *args])
    server._logger(INFO, "text")

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", "prepared 3 text")]


FORGED = "x\n2026-01-02 03:04:05,678 CRITICAL flaskJSONRPCServer.theirs: forged\x1b[2J\r\x9b1m"


class Forged(Exception):
    pass


Forged.__qualname__ = Forged.__name__ = f"Forged{FORGED}"


def raise_text():
    raise ValueError(FORGED)


def raise_note():
    exc = ValueError("noted")
    exc.add_note(FORGED)
    raise exc


def raise_type():
    raise Forged


def raise_chain():
    try:
        raise ValueError(FORGED)
    except ValueError as exc:
        raise RuntimeError("outer") from exc


def raise_group():
    raise ExceptionGroup("group", [ValueError(FORGED)])  # noqa: F821  from Python 3.11 on


def raise_syntax():
    raise SyntaxError(FORGED, ("file", 1, 1, FORGED))


RAISING = [raise_text, raise_type, raise_chain, raise_syntax]
if sys.version_info >= (3, 11):
    RAISING += [raise_note, raise_group]


@pytest.mark.parametrize("function", RAISING)
def test_text_of_an_exception_forges_no_line_of_the_log(function, name, monkeypatch):
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    server = flaskJSONRPCServer(None, log=4, name=name)
    server.registerFunction(function, path="/api", name="raising")
    monkeypatch.setattr(server.log.logger, "handlers", [handler])
    call(server.getWSGI(), "raising")

    first, *rest = written.getvalue().splitlines()
    assert "dispatcher /api/raising raised" in first
    assert all(line.startswith("  ") or not line for line in rest)
    assert f"in {function.__name__}" in written.getvalue()
    assert not set(written.getvalue()) & {"\x1b", "\r", "\x9b"}


def test_logger_of_a_subclass_gets_no_raw_text_of_an_exception(name):
    server = Recording(None, log=False, name=name)
    server.registerFunction(raise_text, path="/api", name="raising")
    call(server.getWSGI(), "raising")

    text = str(server.written[0][-1])
    assert all(line.startswith("  ") for line in text.splitlines())
    assert "\x1b" not in text


PROGRAM = """
import logging, logging.config, sys
from flaskJSONRPCServer import flaskJSONRPCServer

def configure():
    {configure}

{first}
server = flaskJSONRPCServer(None, name="theirs")
other = flaskJSONRPCServer(None, name="others")
{then}
server._logger(1, "once")
other._logger(1, "too")
"""

CONFIGURE = {
    "nothing": "pass",
    "basicConfig": "logging.basicConfig(level=logging.INFO)",
    "dictConfig": "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': False, "
    "'handlers': {'h': {'class': 'logging.StreamHandler'}}, 'root': {'handlers': ['h']}})",
    "own handler": "logging.getLogger('flaskJSONRPCServer').addHandler(logging.StreamHandler())",
}


@pytest.mark.parametrize("configure", CONFIGURE)
@pytest.mark.parametrize("is_first", [False, True], ids=["after", "before"])
def test_record_appears_once_regardless_of_when_logging_is_configured(configure, is_first):
    first, then = ("configure()", "") if is_first else ("", "configure()")
    program = PROGRAM.format(configure=CONFIGURE[configure], first=first, then=then)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert [done.stderr.count(word) for word in ("once", "too")] == [1, 1], done.stderr


# logFormat


@contextlib.contextmanager
def standard_error(capsys):
    """Remove the handlers of the test runner, so that records go to standard error."""
    root = logging.getLogger()
    handlers, root.handlers[:] = root.handlers[:], []
    capsys.readouterr()
    try:
        yield
    finally:
        root.handlers[:] = handlers


def test_json_records_are_one_line_each(capsys):
    log = ServerLog("json-lines", 4, "json")
    with standard_error(capsys):
        log.write(2, 'a\r\n"b"\x1b\u2028\ud800', "c" * 10_000)
        try:
            raise ValueError("d\ne")
        except ValueError:
            log.write(1, "failed", traceback=True)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())

    assert (first["level"], first["logger"]) == ("WARNING", "flaskJSONRPCServer.json-lines")
    assert first["message"].startswith('a\\r\\n"b"\\x1b\\u2028\\ud800 ccc')
    assert len(first["message"]) < 5000
    assert "characters left out" in first["message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert second["message"] == "failed"
    assert second["exception"].endswith("\n  e")


def test_access_lines_are_bare_text_or_json(capsys):
    with standard_error(capsys):
        ServerLog("text-access", 0).write_access("the line", {"status": 200})
        ServerLog("json-access", 0, "json").write_access("the line", {"status": 200})
    text, as_json = capsys.readouterr().err.splitlines()

    assert text == "the line"
    assert json.loads(as_json)["status"] == 200


def test_next_server_of_the_name_has_its_own_format(capsys):
    with standard_error(capsys):
        ServerLog("same-name", 3, "json")
        ServerLog("same-name", 3).write(3, "text")

    assert capsys.readouterr().err.endswith(" INFO flaskJSONRPCServer.same-name: text\n")


def test_json_formatter_serves_other_handlers_and_records():
    record = logging.LogRecord("mine", logging.INFO, "", 1, "%s is %s", ("a", object), None)

    assert json.loads(JsonFormatter().format(record))["message"] == "a is <class 'object'>"
