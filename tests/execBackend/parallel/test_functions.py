"""How functions and globals travel: pickled here, and loaded here too, into a module of their own."""

import pickle
import sys
import textwrap
import threading
from types import ModuleType, SimpleNamespace

import cloudpickle
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.parallel import function_cache
from flaskJSONRPCServer.execBackend.parallel.function_cache import FunctionCache
from flaskJSONRPCServer.execBackend.parallel.functions import FunctionPickler

SOURCE = """
import functools, threading

NUMBER = 5
UNUSED = 6
LOCK = threading.Lock()

def add(a: int, *, b=NUMBER) -> int:
    "Adds."
    return a + b + NUMBER

add.unit = "m"

def outer(step):
    def inner(number):
        return number + step if number else inner(number + 1)
    return inner

def unfilled():
    def reads():
        return later
    return reads
    later = 1

def decorated(function):
    @functools.wraps(function)
    def called(*args):
        return function(*args) * 2
    return called

@decorated
def twice(number):
    return add(number)

class MessageType:
    def method(self):
        return add(1), type(self) is MessageType

def nested():
    return [add(each) for each in (1, 2)], (lambda: UNUSED)()

def whole():
    return module

def even(number):
    return number == 0 or odd(number - 1)

def odd(number):
    return number != 0 and even(number - 1)
"""


@pytest.fixture
def travel(monkeypatch):
    """Yield what sends values of a program to a child, which is this process, with all that it lacks."""
    program = ModuleType("program")
    program.module = program
    exec(textwrap.dedent(SOURCE), vars(program))
    monkeypatch.setitem(sys.modules, "program", program)
    monkeypatch.setattr(function_cache._Loaded, "modules", {})
    server = flaskJSONRPCServer(None, log=False)
    server._parentModule = program
    notes = []
    pickler = FunctionPickler(server._backend_context, notes.append)
    library = FunctionCache("the server of the child", notes.append)

    def send(value, names=()):
        pickler.take_globals(names)
        pickled = pickler.pickled(value)
        for namespace in pickler.namespaces:
            for part in namespace.parts:
                library.take_globals(part)
        library.take_function(pickle.dumps((pickled.number, pickled.body, [])))
        return library.function(pickled.number)

    yield SimpleNamespace(send=send, program=program, pickler=pickler, notes=notes, server=server)
    cloudpickle.unregister_pickle_by_value(program)


def test_function_keeps_what_it_says_of_itself(travel):
    add, sent = travel.program.add, travel.send(travel.program.add)

    assert sent is not add
    assert sent(1) == 11
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__kwdefaults__", "unit"):
        assert getattr(sent, name) == getattr(add, name)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("outer(2)(0)", 3),
        ("twice(1)", 22),
        ("MessageType().method()", (11, True)),
        ("nested()", ([11, 12], 6)),
        ("even(4)", True),
    ],
)
def test_function_brings_what_it_refers_to(travel, expression, result):
    sent = travel.send(eval(expression.rpartition("(")[0], vars(travel.program)))

    assert eval(f"sent({expression.rpartition('(')[2]}", {"sent": sent}) == result


def test_cell_that_holds_nothing_yet_travels_empty(travel):
    with pytest.raises(NameError, match="later"):
        travel.send(travel.program.unfilled())()


def test_functions_share_their_globals(travel):
    add, nested = travel.send(travel.program.add), travel.send(travel.program.nested)

    assert add.__globals__ is nested.__globals__ is vars(sys.modules["program"])
    assert add.__globals__ is not vars(travel.program)


def test_module_of_the_program_stands_for_itself(travel):
    sent = travel.send(travel.program.whole)

    assert sent() is sys.modules["program"]


def test_server_stands_for_itself(travel):
    travel.program.server = travel.server
    exec("def ask(): return server", vars(travel.program))

    assert travel.send(travel.program.ask)() == "the server of the child"


def test_globals_are_those_of_the_time_they_were_taken(travel):
    travel.pickler.take_globals(["NUMBER"])
    travel.program.NUMBER = travel.program.UNUSED = 100

    assert travel.send(travel.program.add)(1) == 11
    assert travel.send(travel.program.nested)() == ([11, 12], 100)


def test_global_that_cannot_be_pickled_is_left_out_and_noted_once(travel):
    add = travel.send(travel.program.add, ["LOCK", "NUMBER"])
    travel.pickler.take_globals(["LOCK"])

    assert "LOCK" not in add.__globals__
    assert len(travel.notes) == 1
    assert travel.notes[0].startswith("global 'LOCK' of 'program' is not there in child processes: cannot pickle")


def test_global_that_cannot_be_loaded_is_left_out_and_noted(travel, monkeypatch):
    gone = ModuleType("gone")
    monkeypatch.setitem(sys.modules, "gone", gone)
    exec("def call(): pass", vars(gone))
    travel.program.gone_call = gone.call
    travel.pickler.take_globals(["gone_call"])
    monkeypatch.delitem(sys.modules, "gone")
    add = travel.send(travel.program.add)

    assert "gone_call" not in add.__globals__
    assert travel.notes == ["global 'gone_call' of 'program' cannot be loaded in a child process: " + NO_MODULE]


NO_MODULE = repr(ModuleNotFoundError("No module named 'gone'"))


def test_function_of_a_module_travels_by_its_name(travel):
    assert travel.send(textwrap.dedent) is textwrap.dedent


def test_function_that_cannot_be_pickled_is_refused(travel):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot pickle"):
        travel.send(lambda: lock)


def test_function_is_pickled_once(travel):
    assert travel.pickler.pickled(travel.program.add) is travel.pickler.pickled(travel.program.add)


@pytest.mark.parametrize(("given", "timeout_s"), [(2, 2), (0.5, 0.5), (0, None), ("2", None)])
def test_function_may_have_a_timeout(travel, given, timeout_s):
    travel.program.add._timeout = given

    assert travel.pickler.pickled(travel.program.add).timeout_s == timeout_s
