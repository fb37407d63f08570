"""The forms of a registration: calls, decorators, and the options of methods."""

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer, rpc
from tests.helpers import call_wsgi, post
from tests.helpers import rpc as request


def make(**options):
    return flaskJSONRPCServer(None, log=False, **options)


def ask(server, method, params=(), path="/api"):
    return call_wsgi(server.getWSGI(), post(request(method, list(params)), path)).json()


def described(server, name, path="/api"):
    return next(method for method in server.openrpc(path)["methods"] if method["name"] == name)


def test_registration_returns_the_function_and_the_instance():
    server, instance = make(), type("Thing", (), {"go": lambda self: 1})()

    assert server.registerFunction(len, path="/api") is len
    assert server.registerInstance(instance, path="/thing") is instance


def test_registration_is_a_decorator():
    server = make()

    @server.registerFunction
    def plain():
        return "plain"

    @server.method
    def bare():
        return "bare"

    @server.method("/api")
    def placed():
        return "placed"

    @server.method("/api", name="other.name", dispatcherBackend="threaded", tags=["t"])
    def named():
        return named.__name__

    @server.method(path="/api", deprecated=True)
    def by_keyword():
        return 1

    assert ask(server, "plain", path="/")["result"] == "plain"
    assert ask(server, "bare", path="/")["result"] == "bare"
    assert ask(server, "placed")["result"] == "placed"
    assert described(server, "other.name")["tags"] == [{"name": "t"}]
    assert described(server, "by_keyword")["deprecated"] is True
    assert named() == "named"


class Shop:
    @rpc(name="stock.count", alias=["stock.size"], title="Count", tags=["stock"], validate=False)
    def count(self, item: str):
        return item

    @rpc(alias="amount")
    def total(self):
        return 9

    @rpc(hidden=True)
    def close(self):
        return None

    @rpc(hidden=False)
    def open(self):
        return True

    @staticmethod
    @rpc(title="Static")
    def still():
        return 1

    @classmethod
    @rpc(title="Class")
    def common(cls):
        return 2


def test_methods_of_an_instance_have_their_own_names_and_options():
    server = make()
    server.registerInstance(Shop(), path="/api", tags=["all"])

    names = [method["name"] for method in server.openrpc("/api")["methods"]]
    assert names == ["common", "open", "still", "stock.count", "total"]
    assert ask(server, "stock.count", [5])["result"] == ask(server, "stock.size", [5])["result"] == 5
    assert ask(server, "amount")["result"] == ask(server, "total")["result"] == 9
    assert [ask(server, name)["error"]["code"] for name in ("count", "close")] == [-32601, -32601]
    assert described(server, "stock.count")["summary"] == "Count"
    assert described(server, "still")["summary"] == "Static"
    assert described(server, "stock.count")["tags"] == [{"name": "all"}]


def test_options_of_the_registration_take_precedence():
    @rpc(name="own", title="Own", tags=["own"], deprecated=True)
    def function(a: int):
        return a

    server = make()
    server.registerFunction(function, path="/api", name="given", title="Given", deprecated=False)

    method = described(server, "given")
    assert (method["summary"], method["tags"], "deprecated" in method) == ("Given", [{"name": "own"}], False)


def test_hidden_function_can_be_registered_itself():
    server = make()
    server.registerFunction(Shop().close, path="/api")

    assert ask(server, "close")["result"] is None


def test_instance_whose_methods_are_all_hidden_is_refused():
    class Empty:
        @rpc(hidden=True)
        def close(self):
            return None

    with pytest.raises(RegistrationError, match="no public method"):
        make().registerInstance(Empty())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validate": "yes"}, "validate='yes' is refused: it takes True or False"),
        ({"validateResult": 1}, "validateResult=1 is refused"),
        ({"title": 5}, "title=5 is refused: it takes a string"),
        ({"tags": "a"}, "tags='a' is refused: it takes a list of strings"),
        ({"tags": [1]}, r"tags=\[1\] is refused"),
        ({"tags": 5}, "tags=5 is refused"),
        ({"examples": {"params": []}}, "is refused: it takes a list of dicts"),
        ({"examples": 5}, "examples=5 is refused"),
        ({"examples": [5]}, "the example 5 is refused"),
        ({"examples": [{"parms": []}]}, "unknown key of an example 'parms'; did you mean 'params'"),
        ({"examples": [{"params": 5}]}, "params=5 of an example is refused"),
        ({"visible": "no"}, "visible='no' is refused"),
        ({"deprecated": "since 2"}, "deprecated='since 2' is refused"),
        ({"notification": 1}, "notification=1 is refused"),
    ],
)
def test_invalid_option_is_refused_with_its_value(options, message):
    with pytest.raises(RegistrationError, match=message):
        make().registerFunction(lambda: 1, name="f", **options)
    with pytest.raises(RegistrationError, match=message):
        rpc(**options)


def test_timeout_of_a_method_is_set_by_the_decorator():
    class Slow:
        @rpc(timeout=2.5)
        def limited(self):
            return 1

        def free(self):
            return 2

    server = make()
    server.registerInstance(Slow(), path="/api")
    server.registerFunction(Slow().limited, path="/other", timeout=9)

    assert described(server, "limited")["x-timeout"] == 2.5
    assert "x-timeout" not in described(server, "free")
    assert described(server, "limited", "/other")["x-timeout"] == 9
    assert ask(server, "limited")["result"] == 1
    with pytest.raises(RegistrationError, match="timeout=0 is refused"):
        rpc(timeout=0)
