"""The options of a method: at its registration, by the decorator `rpc`, and both."""

import datetime
import math

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer, rpc
from flaskJSONRPCServer.contract.options import Example, MethodOptions, declared_options


def make():
    return flaskJSONRPCServer(None, log=False)


def described(server):
    (method,) = server.openrpc()["methods"]
    return method


def test_decorator_returns_the_function_itself():
    def function(): ...

    assert rpc(title="T")(function) is function
    assert declared_options(function).title == "T"
    assert declared_options(make) == MethodOptions()


def test_registration_takes_precedence_over_the_decorator():
    @rpc(title="decorator", tags=["decorator"], deprecated=True)
    def function(): ...

    server = make()
    server.registerFunction(function, path="/api", title="registration", deprecated=False)
    method = described(server)

    assert method["summary"] == "registration"
    assert method["tags"] == [{"name": "decorator"}]
    assert "deprecated" not in method


def test_decorator_names_a_function():
    @rpc(name="sum", alias=["plus", "total"])
    def add(a, b):
        return a + b

    server = make()
    server.registerFunction(add, path="/api")
    method = described(server)

    assert (method["name"], method["x-aliases"]) == ("sum", ["plus", "total"])


class Shop:
    @rpc(name="order", tags=["write"], examples=[{"params": ["tea"], "result": "tea"}])
    def buy(self, item: str) -> str:
        return item

    @rpc(hidden=True)
    def internal(self): ...

    @rpc(visible=False)
    def unlisted(self): ...

    @staticmethod
    @rpc(title="Static")
    def static(): ...

    def plain(self): ...


def test_decorator_on_the_methods_of_a_class():
    server = make()
    server.registerInstance(Shop(), path="/api", tags=["shop"])
    methods = {method["name"]: method for method in server.openrpc()["methods"]}

    assert sorted(methods) == ["order", "plain", "static"]
    assert methods["static"]["summary"] == "Static"
    assert methods["plain"]["tags"] == [{"name": "shop"}]
    assert server.checkExamples() == 1


def by_registration(server, **options):
    server.registerFunction(lambda: None, path="/api", name="f", **options)


def by_decorator(server, **options):
    rpc(**options)(lambda: None)


@pytest.mark.parametrize("give", [by_registration, by_decorator])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"title": 1}, "title=1 is refused: it takes a string"),
        ({"deprecated": 1}, "deprecated=1 is refused: it takes True or False"),
        ({"notification": "yes"}, "notification='yes' is refused: it takes True or False"),
        ({"validate": 0}, "validate=0 is refused: it takes True or False"),
        ({"visible": "yes"}, "visible='yes' is refused: it takes True, False, or a function of a request"),
        ({"tags": "one"}, "tags='one' is refused: it takes a list of strings"),
        ({"tags": [1]}, "tags=[1] is refused: it takes a list of strings"),
        ({"tags": [""]}, "tags=[''] is refused: it takes a list of strings"),
        ({"tags": 5}, "tags=5 is refused: it takes a list of strings"),
        ({"examples": {"params": []}}, "is refused: it takes a list of dicts"),
        ({"examples": "ab"}, "examples='ab' is refused: it takes a list of dicts"),
        ({"examples": 5}, "examples=5 is refused: it takes a list of dicts"),
        ({"examples": [1]}, "the example 1 is refused: it takes a dict with 'params' and 'result'"),
        ({"examples": [{"param": []}]}, "'param'; did you mean 'params'?"),
        ({"examples": [{"params": "ab"}]}, "params='ab' of an example is refused: it takes a list or a dict"),
        ({"examples": [{"params": [math.nan]}]}, "of 'example 1' has no JSON form"),
        ({"examples": [{"result": datetime.date.max, "name": "day"}]}, "of 'day' has no JSON form"),
    ],
    ids=range(17),
)
def test_wrong_option_is_refused(give, options, message):
    server = make()
    with pytest.raises(RegistrationError) as refused:
        give(server, **options)

    assert message in str(refused.value)
    assert server.openrpc()["methods"] == []


def test_tags_are_listed_once():
    server = make()
    server.registerFunction(lambda: None, path="/api", name="f", tags=("b", "a", "b"))

    assert described(server)["tags"] == [{"name": "b"}, {"name": "a"}]


def test_examples_are_independent_of_later_changes():
    params = [[1]]
    example = {"params": params, "result": {"a": []}}
    server = make()
    server.registerFunction(lambda value: {"a": []}, path="/api", name="f", examples=[example])
    params.append(2)
    params[0].append(3)
    example["result"]["a"].append(1)

    assert described(server)["examples"][0]["params"] == [{"name": "value", "value": [1]}]
    assert server.checkExamples() == 1


def test_example_may_be_an_example():
    server = make()
    server.registerFunction(lambda: 1, path="/api", name="f", examples=[Example("one", [], 1, "s", "d")])

    assert described(server)["examples"] == [
        {"name": "one", "summary": "s", "description": "d", "params": [], "result": {"name": "result", "value": 1}}
    ]


def test_registering_is_decorating():
    server = make()

    @server.method("/api", name="sum", title="Sum")
    def add(a, b):
        return a + b

    @server.method
    def echo(value):
        return value

    assert add(1, 2) == 3
    assert [(method["name"], method["servers"][0]["url"]) for method in server.openrpc()["methods"]] == [
        ("echo", "/"),
        ("sum", "/api"),
    ]
