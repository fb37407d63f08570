"""The registration of functions and instances: names, paths and refusals."""

import functools
import math

import pytest

from flaskJSONRPCServer import RegistrationError, Settings, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.registration import Registrar
from tests.helpers import call, result_of


def function():
    return "function"


def aliased():
    return "aliased"


class Base:
    inherited_attribute = 1

    def inherited(self):
        return "inherited"

    def overridden(self):
        return "base"


class Instance(Base):
    class Nested:
        pass

    helper = functools.partial(function)
    builtin = len

    def __init__(self):
        self.own = lambda: "own"

    def method(self):
        return "method"

    def overridden(self):
        return "overridden"

    @classmethod
    def of_class(cls):
        return cls.__name__

    @staticmethod
    def static():
        return "static"

    @property
    def computed(self):
        raise AssertionError("a property was read")

    @functools.cached_property
    def cached(self):
        raise AssertionError("a property was read")

    def _hidden(self):
        return "hidden"

    def __private(self):
        return "private"

    @functools.wraps(Base.inherited)
    def decorated(self):
        return "decorated"

    method_of_partial = functools.partialmethod(method)


class Slots:
    __slots__ = ("field",)

    def method(self):
        return "method"


class WithCall:
    def __call__(self, value):
        return value


def generator():
    yield 1


async def async_generator():
    yield 1


class AsyncGeneratorCall:
    async def __call__(self):
        yield 1


class GeneratorCall:
    def __call__(self):
        yield 1


def with_alias(alias):
    def dispatcher():
        return "aliased"

    dispatcher._alias = alias
    return dispatcher


@pytest.fixture
def registrar():
    return Registrar(Settings())


def names_of(routes):
    return [(route.path, route.name) for route in routes]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("/", "function")),
        ({"path": "api"}, ("/api/", "function")),
        ({"path": "/a/b/"}, ("/a/b/", "function")),
        ({"path": "/дом"}, ("/дом/", "function")),
        ({"name": "other"}, ("/", "other")),
        ({"name": "with.dots"}, ("/", "with.dots")),
        ({"name": "дом 1"}, ("/", "дом 1")),
    ],
)
def test_name_and_path_of_a_function(registrar, options, expected):
    assert names_of(registrar.function_routes(function, **options)) == [expected]


@pytest.mark.parametrize(
    ("registered", "name"),
    [
        (functools.partial(function), "function"),
        (functools.partial(functools.partial(function)), "function"),
        (Instance().method, "method"),
        (Instance.of_class, "of_class"),
        (Instance.static, "static"),
        (len, "len"),
        (math.sqrt, "sqrt"),
    ],
)
def test_own_name(registrar, registered, name):
    assert names_of(registrar.function_routes(registered)) == [("/", name)]


@pytest.mark.parametrize(
    ("alias", "names"),
    [
        ("a", ["dispatcher", "a"]),
        (["a", "b"], ["dispatcher", "a", "b"]),
        (("a",), ["dispatcher", "a"]),
        ([], ["dispatcher"]),
        (["a", "a", "dispatcher"], ["dispatcher", "a"]),
    ],
)
def test_aliases(registrar, alias, names):
    routes = registrar.function_routes(with_alias(alias))

    assert [route.name for route in routes] == names
    assert len({route.lock_key for route in routes}) == 1


def test_aliases_stand_beside_an_alternative_name(registrar):
    assert names_of(registrar.function_routes(with_alias("a"), name="n")) == [("/", "n"), ("/", "a")]


@pytest.mark.parametrize(
    ("server", "own", "output_format", "allows_cross_site_get"),
    [
        (True, None, "%(callback)s(%(data)s);", False),
        (False, None, None, False),
        (True, False, None, False),
        (False, True, "%(callback)s(%(data)s);", True),
        (False, "x(%s)", "x(%s)", True),
        (True, "x(%(data)s)", "x(%(data)s)", True),
    ],
)
def test_fallback(server, own, output_format, allows_cross_site_get):
    (route,) = Registrar(Settings(fallback=server)).function_routes(function, fallback=own)

    assert (route.output_format, route.allows_cross_site_get) == (output_format, allows_cross_site_get)


@pytest.mark.parametrize(
    ("registered", "options", "message"),
    [
        (None, {}, "None cannot be called; register a function"),
        ("function", {}, "'function' cannot be called; register a function"),
        (Instance(), {}, "cannot be called; register a function"),
        (Instance, {}, "is a class; register a function, or an instance with registerInstance"),
        (int, {}, "is a class"),
        (
            async_generator,
            {},
            "is an asynchronous generator function; register an async function that returns a list",
        ),
        (generator, {}, "is a generator function; register a function that returns a list"),
        (AsyncGeneratorCall(), {"name": "n"}, "is an asynchronous generator function"),
        (GeneratorCall(), {"name": "n"}, "is a generator function"),
        (functools.partial(async_generator), {}, "is an asynchronous generator function"),
        (functools.partial(generator), {}, "is a generator function"),
        (lambda: 1, {}, "has no name of its own; give name=..."),
        (WithCall(), {}, "has no name of its own; give name=..."),
        (functools.partial(lambda: 1), {}, "has no name of its own; give name=..."),
        (function, {"name": ""}, "'' cannot be a method's name: it takes a printable, non-empty string"),
        (function, {"name": 5}, "5 cannot be a method's name"),
        (function, {"name": "a\n"}, "'a\\n' cannot be a method's name"),
        (function, {"name": "\ud800"}, "cannot be a method's name"),
        (function, {"name": "rpc.a"}, "'rpc.a' cannot be a method's name: JSON-RPC reserves 'rpc.'"),
        (with_alias("rpc.a"), {}, "JSON-RPC reserves 'rpc.'"),
        (with_alias(["a", 5]), {}, "5 cannot be a method's name"),
        (with_alias(""), {}, "'' cannot be a method's name"),
        (with_alias(5), {}, "_alias of <function with_alias.<locals>.dispatcher"),
        (with_alias({"a": 1}), {}, "it takes a string or a list of strings"),
        (function, {"path": None}, "path=None is refused: it takes a string such as '/api'"),
        (function, {"path": "/a<b>"}, "path='/a<b>' is refused: it takes segments without any of <>?#%\\"),
        (function, {"path": "/a?b"}, "is refused: it takes segments without any of"),
        (function, {"path": "/a#b"}, "is refused: it takes segments without any of"),
        (function, {"path": "/a%20"}, "is refused: it takes segments without any of"),
        (function, {"path": "/a\\b"}, "is refused: it takes segments without any of"),
        (function, {"path": "/a\nb"}, "is refused: it takes segments without any of"),
        (function, {"path": "/a//b"}, "is refused: it takes segments without any of"),
        (function, {"path": "/a/../b"}, "is refused: clients resolve '.' and '..' before they send"),
        (function, {"path": "/."}, "is refused: clients resolve '.' and '..' before they send"),
        (function, {"fallback": "no data"}, "is refused: an output format says where the JSON goes, %(data)s"),
        (function, {"fallback": ""}, "fallback='' is refused"),
        (lambda _connection, /: 1, {"name": "n"}, "cannot be a positional-only parameter"),
    ],
)
def test_refused_function(registrar, registered, options, message):
    with pytest.raises(RegistrationError) as raised:
        registrar.function_routes(registered, **options)

    assert message in str(raised.value)


def test_public_methods_of_an_instance(registrar):
    names = {route.name for route in registrar.instance_routes(Instance(), path="/api")}

    assert names == {
        "inherited",
        "method",
        "overridden",
        "of_class",
        "static",
        "decorated",
        "method_of_partial",
    }


def test_instance_with_slots(registrar):
    assert names_of(registrar.instance_routes(Slots())) == [("/", "method")]


def test_methods_of_an_instance_answer():
    server = flaskJSONRPCServer(None, log=False)
    server.registerInstance(Instance(), path="/api")
    application = server.getWSGI()

    for name in ("inherited", "method", "overridden", "static", "decorated"):
        assert result_of(application, name) == name
    assert result_of(application, "of_class") == "Instance"
    assert result_of(application, "method_of_partial") == "method"


@pytest.mark.parametrize(
    ("registered", "message"),
    [
        (Instance, "is not an instance; create one and register that"),
        (math, "is not an instance"),
        (object(), "has no public method to register"),
        (None, "None has no public method to register"),
        (5, "has no public method to register"),
    ],
)
def test_refused_instance(registrar, registered, message):
    if registered == 5:
        registered = WithCall()
    with pytest.raises(RegistrationError) as raised:
        registrar.instance_routes(registered)

    assert message in str(raised.value)


def test_instance_with_one_bad_method_registers_nothing():
    class Bad:
        def good(self):
            return 1

        async def bad(self):
            yield 2

    server = flaskJSONRPCServer(None, log=False)
    with pytest.raises(RegistrationError, match="is an asynchronous generator function"):
        server.registerInstance(Bad())

    server.registerFunction(function)
    assert call(server.getWSGI(), "good", target="/")["error"]["code"] == -32601


def test_same_function_under_several_names_and_paths():
    server = flaskJSONRPCServer(None, log=False)
    for path in ("", "/a", "/b/c"):
        for name in (None, "other"):
            server.registerFunction(function, path=path, name=name)
    application = server.getWSGI()

    for target in ("/", "/a", "/b/c"):
        assert result_of(application, "function", target=target) == "function"
        assert result_of(application, "other", target=target) == "function"


def test_two_instances_on_one_path_are_refused_and_on_two_accepted():
    server = flaskJSONRPCServer(None, log=False)
    server.registerInstance(Slots(), path="/a")
    server.registerInstance(Slots(), path="/b")

    with pytest.raises(RegistrationError, match="'method' on '/a/' is already"):
        server.registerInstance(Slots(), path="/a")


def test_mutable_attributes_of_an_instance_are_never_called():
    server = flaskJSONRPCServer(None, log=False)
    server.registerInstance(Instance(), path="/api")
    application = server.getWSGI()

    for name in (
        "own",
        "helper",
        "Nested",
        "computed",
        "cached",
        "_hidden",
        "_Instance__private",
        "__init__",
        "__str__",
    ):
        assert call(application, name)["error"]["code"] == -32601


@pytest.mark.parametrize("function", [len, lambda: 1, functools.partial(len, ""), Slots().method])
def test_function_that_is_registered_as_an_instance_names_the_right_method(function):
    with pytest.raises(RegistrationError, match="is a function; register it with registerFunction"):
        flaskJSONRPCServer(None).registerInstance(function)
