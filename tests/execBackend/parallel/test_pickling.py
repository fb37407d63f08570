"""Functions and globals, pickled here and loaded here too, into a module of their own."""

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
from flaskJSONRPCServer.execBackend.parallel.pickling import FunctionPickler

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

class Shape:
    def method(self):
        return add(1), type(self) is Shape

def nested():
    return [add(number) for number in (1, 2)], (lambda: UNUSED)()

def whole():
    return module

def even(number):
    return number == 0 or odd(number - 1)

def odd(number):
    return number != 0 and even(number - 1)
"""


@pytest.fixture
def sending(monkeypatch):
    """Yield a sender of values from a program to a child, which is this process."""
    program = ModuleType("program")
    program.module = program
    exec(textwrap.dedent(SOURCE), vars(program))
    monkeypatch.setitem(sys.modules, "program", program)
    monkeypatch.setattr(function_cache._Loaded, "modules", {})
    server = flaskJSONRPCServer(None, log=False)
    server._parentModule = program
    warnings = []
    pickler = FunctionPickler(server._backend_context, warnings.append)
    cache = FunctionCache("the server of the child", warnings.append)

    def send(value, names=()):
        pickler.add_globals(names)
        pickled = pickler.pickle_function(value)
        for namespace in pickler.namespaces:
            for part in namespace.parts:
                cache.add_globals(part)
        cache.add_function(pickle.dumps((pickled.number, pickled.body, [])))
        return cache.function(pickled.number)

    yield SimpleNamespace(send=send, program=program, pickler=pickler, warnings=warnings, server=server)
    cloudpickle.unregister_pickle_by_value(program)


def test_function_keeps_its_attributes(sending):
    add, sent = sending.program.add, sending.send(sending.program.add)

    assert sent is not add
    assert sent(1) == 11
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__kwdefaults__", "unit"):
        assert getattr(sent, name) == getattr(add, name)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("outer(2)(0)", 3),
        ("twice(1)", 22),
        ("Shape().method()", (11, True)),
        ("nested()", ([11, 12], 6)),
        ("even(4)", True),
    ],
)
def test_function_brings_what_it_refers_to(sending, expression, result):
    sent = sending.send(eval(expression.rpartition("(")[0], vars(sending.program)))

    assert eval(f"sent({expression.rpartition('(')[2]}", {"sent": sent}) == result


def test_empty_cell_travels_empty(sending):
    with pytest.raises(NameError, match="later"):
        sending.send(sending.program.unfilled())()


def test_functions_share_their_globals(sending):
    add, nested = sending.send(sending.program.add), sending.send(sending.program.nested)

    assert add.__globals__ is nested.__globals__ is vars(sys.modules["program"])
    assert add.__globals__ is not vars(sending.program)


def test_module_of_the_program_becomes_the_module_of_the_child(sending):
    sent = sending.send(sending.program.whole)

    assert sent() is sys.modules["program"]


def test_server_becomes_the_stand_in_of_the_child(sending):
    sending.program.server = sending.server
    exec("def ask(): return server", vars(sending.program))

    assert sending.send(sending.program.ask)() == "the server of the child"


def test_globals_keep_their_values_of_the_time_they_were_added(sending):
    sending.pickler.add_globals(["NUMBER"])
    sending.program.NUMBER = sending.program.UNUSED = 100

    assert sending.send(sending.program.add)(1) == 11
    assert sending.send(sending.program.nested)() == ([11, 12], 100)


def test_global_that_cannot_be_pickled_is_left_out_with_one_warning(sending):
    add = sending.send(sending.program.add, ["LOCK", "NUMBER"])
    sending.pickler.add_globals(["LOCK"])

    assert "LOCK" not in add.__globals__
    assert len(sending.warnings) == 1
    assert sending.warnings[0].startswith("global 'LOCK' of 'program' is not there in child processes: cannot pickle")


def test_global_that_cannot_be_loaded_is_left_out_with_a_warning(sending, monkeypatch):
    gone = ModuleType("gone")
    monkeypatch.setitem(sys.modules, "gone", gone)
    exec("def call(): pass", vars(gone))
    sending.program.gone_call = gone.call
    sending.pickler.add_globals(["gone_call"])
    monkeypatch.delitem(sys.modules, "gone")
    add = sending.send(sending.program.add)

    assert "gone_call" not in add.__globals__
    assert sending.warnings == ["global 'gone_call' of 'program' cannot be loaded in a child process: " + NO_MODULE]


NO_MODULE = repr(ModuleNotFoundError("No module named 'gone'"))


def test_function_of_a_module_travels_by_its_name(sending):
    assert sending.send(textwrap.dedent) is textwrap.dedent


def test_function_that_cannot_be_pickled_is_refused(sending):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot pickle"):
        sending.send(lambda: lock)


def test_function_is_pickled_once(sending):
    assert sending.pickler.pickle_function(sending.program.add) is sending.pickler.pickle_function(sending.program.add)


@pytest.mark.parametrize(("timeout", "timeout_s"), [(2, 2), (0.5, 0.5), (0, None), ("2", None)])
def test_function_may_have_a_timeout(sending, timeout, timeout_s):
    sending.program.add._timeout = timeout

    assert sending.pickler.pickle_function(sending.program.add).timeout_s == timeout_s
