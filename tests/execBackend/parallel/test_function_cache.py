"""The functions and globals that a child was sent, without the half that pickles them."""

import functools
import pickle
import sys
from types import CodeType, ModuleType

import pytest

from flaskJSONRPCServer.execBackend.parallel import function_cache
from flaskJSONRPCServer.execBackend.parallel.function_cache import (
    FunctionCache,
    fill_function,
    load_module,
    load_server,
    make_cached,
    make_code,
    make_function,
)

MODULE = 7, "sent_module", {"__file__": "/sent.py", "__package__": None}


@pytest.fixture(autouse=True)
def no_modules(monkeypatch):
    """Forget the modules that a test makes."""
    monkeypatch.setattr(function_cache._Loaded, "modules", {})
    monkeypatch.setitem(sys.modules, "sent_module", ModuleType("sent_module"))


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def cache(warnings):
    return FunctionCache("the server", warnings.append)


def send_function(cache, number, function, path=()):
    cache.add_function(pickle.dumps((number, pickle.dumps(function), path)))


def test_pickles_refer_to_the_server(cache):
    assert load_server() == "the server"


def test_function_is_loaded_when_it_is_used_first(cache):
    send_function(cache, 3, identity)

    assert isinstance(cache._functions[3], bytes)
    assert cache.function(3) is identity
    assert cache.function(3) is identity


def identity(value):
    return value


def test_function_that_cannot_be_loaded_raises_at_each_use(cache):
    cache.add_function(pickle.dumps((3, b"cnowhere_to_be_found\nlost\n.", [])))

    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
            cache.function(3)


def test_folders_of_the_parent_are_searched_last_and_once(cache, monkeypatch):
    monkeypatch.setattr(sys, "path", ["/own"])
    for number in (1, 2):
        send_function(cache, number, len, ["/own", "/parent"])

    assert sys.path == ["/own", "/parent"]


def test_globals_are_set_in_their_module(cache, warnings):
    cache.add_globals(pickle.dumps((MODULE, {"NUMBER": pickle.dumps(5), "LOST": b"cnowhere_to_be_found\nlost\n."})))
    module = sys.modules["sent_module"]

    assert (module.NUMBER, module.__file__, hasattr(module, "LOST")) == (5, "/sent.py", False)
    assert len(warnings) == 1
    assert warnings[0].startswith("global 'LOST' of 'sent_module' cannot be loaded in a child process: ModuleNotFound")


def test_module_is_made_once(cache):
    assert load_module(*MODULE) is load_module(*MODULE) is sys.modules["sent_module"]


def test_main_program_is_the_main_module_of_the_child(monkeypatch):
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)

    assert load_module(0, "__main__", {"__file__": "/main.py"}) is main
    assert main.__file__ == "/main.py"


def test_function_is_made_of_code_and_filled_in():
    def outer(step):
        def inner(number=1):
            return number + step, OFFSET  # noqa: F821  a global of the module that is sent

        return inner

    original = outer(2)
    function = make_function(*MODULE, original.__code__, 1)
    fill_function(function, ({"__defaults__": (10,), "__doc__": "Adds."}, {"unit": "m"}, [[2]]))
    vars(sys.modules["sent_module"])["OFFSET"] = 100

    assert function() == (12, 100)
    assert (function.__doc__, function.unit, function.__globals__) == ("Adds.", "m", vars(sys.modules["sent_module"]))


def test_cell_without_contents_stays_empty():
    def outer(step):
        def inner():
            return later

        if step:
            later = step
        return inner

    function = make_function(*MODULE, outer(0).__code__, 1)
    fill_function(function, ({}, {}, [[]]))

    with pytest.raises(NameError, match="later"):
        function()


def test_code_has_the_name_of_its_file():
    def add(a):
        return a + 1

    _, arguments = reduce_code(add.__code__)
    code = make_code(arguments, "/users/program.py")

    assert isinstance(code, CodeType)
    assert (code.co_filename, code.co_code) == ("/users/program.py", add.__code__.co_code)


def reduce_code(code):
    from cloudpickle import CloudPickler

    return CloudPickler.dispatch_table[CodeType](code)


def test_cached_function_has_a_cache_with_the_same_parameters():
    cached = make_cached(abs, {"maxsize": 3, "typed": True})

    assert (cached(-1), cached(-1)) == (1, 1)
    assert cached.cache_info().hits == 1
    assert cached.cache_parameters() == functools.lru_cache(maxsize=3, typed=True)(abs).cache_parameters()
