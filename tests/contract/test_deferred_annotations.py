"""Hints that are evaluated later than their function is defined, or never.

Before Python 3.14, ``from __future__ import annotations`` defers them, as text; since then, Python itself does.
"""

import __future__

import json
import sys
import textwrap
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.commands.finding import call_factory
from tests.helpers import call_wsgi, post, rpc

DEFERS_ITSELF = sys.version_info >= (3, 14)

HEADER = """
import dataclasses
import functools
from typing import TYPE_CHECKING, Annotated, Generic, NamedTuple, TypeVar

import msgspec
from pydantic import BaseModel
from typing_extensions import TypedDict

from flaskJSONRPCServer import rpc

if TYPE_CHECKING:
    from nowhere import Missing


def passed_on(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner
"""
LATER = """
@dataclasses.dataclass
class Later:
    x: int
    following: Later | None = None
"""

# Each defines the function `call`, with a parameter of the class `Later`, or one like it.
RESOLVED = {
    "class after the function": "def call(value: Later):\n    return value.x\n" + LATER,
    "coroutine": "async def call(value: Later):\n    return value.x\n" + LATER,
    "optional": "def call(value: Later | None):\n    return value.x\n" + LATER,
    "list": "def inner(values: list[Later]):\n    return values[0].x\ncall = inner\n" + LATER,
    "Annotated": "def call(value: Annotated[Later, 'note']):\n    return value.x\n" + LATER,
    "decorated": "@passed_on\ndef call(value: Later):\n    return value.x\n" + LATER,
    "partial": "def call(first, value: Later):\n    return value.x\ncall = functools.partial(call, 1)\n" + LATER,
    "callable object": "class Adder:\n    def __call__(self, value: Later):\n        return value.x\ncall = Adder()\n"
    + LATER,
    "method": "class Api:\n    @rpc()\n    def one(self, value: Later):\n        return value.x\ncall = Api().one\n"
    + LATER,
    "closure": "def outer():\n"
    "    def call(value: Later):\n        return Later is type(value) and value.x\n"
    + textwrap.indent(LATER, "    ")
    + "    return call\ncall = outer()\n",
    "fields of a TypedDict": "class Outer(TypedDict):\n    later: Later\n"
    "def call(value: Later, *, outer: Outer = None):\n    return value.x\n" + LATER,
    "fields of a NamedTuple": "class Pair(NamedTuple):\n    first: Later\n"
    "def inner(value: Pair):\n    return value.first.x\n"
    "def call(value: Later, *, pair: Pair = None):\n    return value.x\n" + LATER,
    "fields of a model": "class Model(BaseModel):\n    x: Number\n"
    "def call(value: Model):\n    return value.x\nNumber = int\n",
    "fields of a struct": "class Struct(msgspec.Struct):\n    x: Number\n"
    "def call(value: Struct):\n    return value.x\nNumber = int\n",
    "generic base": "T = TypeVar('T')\nclass Repo(Generic[T]):\n    def add(self, value: T):\n        return value.x\n"
    + LATER
    + "class Laters(Repo[Later]):\n    pass\ncall = Laters().add\n",
}
if sys.version_info >= (3, 12):
    RESOLVED |= {
        "type parameter": "def call[T: Later](value: T):\n    return value.x\n" + LATER,
        "type parameter in a container": "def inner[T: Later](values: list[T]):\n    return values[0].x\ncall = inner\n"
        + LATER,
        "type alias": "type Alias = Later | None\ndef call(value: Alias):\n    return value.x\n" + LATER,
        "generic class": "class Repo[T]:\n    def add(self, value: T):\n        return value.x\n"
        + LATER
        + "class Laters(Repo[Later]):\n    pass\ncall = Laters().add\n",
    }

# Each defines the function `call`, with a parameter `value` whose hint cannot be resolved.
UNRESOLVED = {
    "name": "def call(value: Missing):\n    return value\n",
    "second parameter": "def call(first: int = 0, *, value: Missing):\n    return value\n",
    "item": "def call(value: list[Missing]):\n    return value\n",
    "choice": "def call(value: Missing | None):\n    return value\n",
    "attribute": "def call(value: Missing.Inner):\n    return value\n",
    "attribute of a module": "def call(value: functools.Missing):\n    return value\n",
    "metadata": "def call(value: Annotated[int, missing(3)]):\n    return value\n",
    "decorated": "@passed_on\ndef call(value: Missing):\n    return value\n",
    "partial": "def call(first, value: Missing):\n    return value\ncall = functools.partial(call, 1)\n",
    "coroutine": "async def call(value: Missing):\n    return value\n",
    "closure that is empty": "def outer():\n    def call(value: Local):\n        return value\n    return call\n"
    "    Local = int\ncall = outer()\n",
    "field of a dataclass": "@dataclasses.dataclass\nclass Outer:\n    x: Missing\n"
    "def call(value: Outer):\n    return value\n",
    "field of a TypedDict": "class Outer(TypedDict):\n    x: list[Missing]\n"
    "def call(value: Outer):\n    return value\n",
    "field of a NamedTuple": "class Outer(NamedTuple):\n    x: Missing\ndef call(value: Outer):\n    return value\n",
    "field of a model": "class Outer(BaseModel):\n    x: Missing\ndef call(value: list[Outer]):\n    return value\n",
    "field of a struct": "class Outer(msgspec.Struct):\n    x: Missing\ndef call(value: Outer):\n    return value\n",
}
if sys.version_info >= (3, 12):
    UNRESOLVED |= {
        "type alias": "type Alias = list[Missing]\ndef call(value: Alias):\n    return value\n",
        "bound of a type parameter": "def call[T: Missing](value: T):\n    return value\n",
    }


def defined(source, name="call"):
    """Return what a module of this source defines, with hints that are evaluated later."""
    flags = 0 if DEFERS_ITSELF else __future__.annotations.compiler_flag
    # pydantic looks for names in the module of a class, which has to be there.
    module = type(sys)("deferred_annotations")
    sys.modules[module.__name__] = module
    code = compile(HEADER + source, "deferred_annotations.py", "exec", flags, dont_inherit=True)
    exec(code, vars(module))
    return vars(module)[name]


def served(function, **options):
    """Return a function that calls the registered function and returns the answer."""
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(function, path="/api", name="call", **options)
    application = server.getWSGI()
    return lambda params: call_wsgi(application, post(rpc("call", params))).json()


@pytest.fixture(autouse=True)
def no_module():
    yield
    sys.modules.pop("deferred_annotations", None)


@pytest.mark.parametrize("source", RESOLVED.values(), ids=RESOLVED)
def test_hint_that_can_be_evaluated_at_registration_is_checked(source):
    call = served(defined(source))
    is_list = "values" in source

    assert call([[{"x": 3}] if is_list else {"x": 3}])["result"] == 3
    assert call([[{"x": "3"}] if is_list else {"x": "3"}])["error"]["code"] == -32602


@pytest.mark.parametrize("source", UNRESOLVED.values(), ids=UNRESOLVED)
def test_hint_that_cannot_be_resolved_is_refused_with_the_parameter(source):
    function = defined(source)

    with pytest.raises(RegistrationError, match=r"the hint of parameter 'value' of .* cannot be (resolved|used): "):
        served(function)
    assert served(function, validate=False)({"value": 3})["result"] == 3


def test_message_has_the_hint_as_it_is_written():
    with pytest.raises(RegistrationError, match=r"cannot be resolved: dict\[str, Missing\]: NameError: name 'Missing'"):
        served(defined("def call(value: dict[str, Missing]):\n    return value\n"))


def test_result_that_cannot_be_resolved_is_refused_only_if_results_are_checked():
    function = defined("def call() -> list[Missing]:\n    return [1]\n")

    assert served(function)([])["result"] == [1]
    with pytest.raises(RegistrationError, match="the hint of the result of"):
        served(function, validateResult=True)


def test_instance_is_refused_with_the_method_and_the_parameter():
    api = defined("class Api:\n    def good(self, a: int): ...\n    def call(self, value: Missing): ...\n", "Api")
    server = flaskJSONRPCServer(None, log=False)

    with pytest.raises(RegistrationError, match=r"parameter 'value' of <bound method Api\.call"):
        server.registerInstance(api(), path="/api")


def test_missing_names_in_the_hints_of_other_functions_do_not_matter():
    middleware = defined("def call(call: Missing, proceed: Missing) -> Missing:\n    return proceed()\n")
    auth = defined("def auth(server: Missing, path, copy, method) -> Missing:\n    return True\n", "auth")
    identity = defined("def identity(request: Missing) -> Missing:\n    return 'x'\n", "identity")
    dumps = defined("def dumps(value: Missing, default: Missing = None) -> str:\n    return '{}'\n", "dumps")
    make = defined("def make() -> Missing:\n    return 'a server'\n", "make")

    server = flaskJSONRPCServer(None, log=False, auth=auth, rateLimit={"limits": "9/minute", "identity": identity})
    server.use(middleware)
    server.registerFunction(lambda: 1, path="/api", name="call")
    flaskJSONRPCServer(None, log=False, jsonBackend=SimpleNamespace(dumps=dumps, loads=json.loads))

    assert call_factory(make, "make") == "a server"


FAILING = {
    "operands": ("def call(value: 'Text' | None):\n    return value\n", "TypeError: unsupported operand"),
    "division": ("def call(value: 1 / 0):\n    return value\n", "ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize(("source", "reason"), FAILING.values(), ids=FAILING)
def test_hint_that_fails_for_another_reason_is_refused(source, reason):
    with pytest.raises(RegistrationError, match=rf"the hints? of .* cannot be re(ad|solved): .*{reason}"):
        served(defined(source))


def test_hint_that_fails_is_not_mistaken_for_a_wrong_signature():
    function = defined("class Api:\n    def call(value: Missing): ...\ncall = functools.partial(Api().call, 1)\n")

    with pytest.raises(RegistrationError, match="a method takes self or is a @staticmethod"):
        served(function)
