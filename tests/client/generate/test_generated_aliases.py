"""The aliases of methods in generated clients."""

import asyncio

import pytest

from flaskJSONRPCServer import rpc
from flaskJSONRPCServer.client import Client
from flaskJSONRPCServer.client.async_client import AsyncClient
from flaskJSONRPCServer.client.generate import generate
from tests.client.generate.generating import VERSION, document_of, loaded, python_source, server_of


@rpc(alias=["plus", "math.sum"])
def add(a: int, b: int = 1) -> int:
    """Add two numbers.

    Quickly.

    Args:
        a: The first number.
    """
    return a + b


@pytest.fixture(scope="module")
def server():
    return server_of(add)


@pytest.fixture(scope="module")
def module(server):
    return loaded(python_source(server.openrpc("/api")))


def test_alias_is_called_as_the_method_is(server, module):
    with module.Api(Client(server, path="/api")) as api:
        with api.batch() as batch:
            pending = [batch.plus(1), batch.math.sum(1, b=4)]
        assert [api.add(1, 2), api.plus(1, 2), api.plus(a=3), api.math.sum(1)] == [3, 3, 4, 2]
        assert api.notify.plus(1) is None
    assert [call.result() for call in pending] == [2, 5]


def test_alias_is_called_in_coroutines(server, module):
    async def calls():
        async with module.AsyncApi(AsyncClient(server, path="/api")) as api:
            return await api.plus(1), await api.math.sum(2)

    assert asyncio.run(calls()) == (2, 3)


def test_documentation_of_an_alias_names_its_method(module):
    text = module.Api.plus.__doc__

    assert text.startswith("Add two numbers.\n\n        It is another name of add.\n")
    assert "a: The first number." in text
    assert "Quickly" not in text


def method(name, *aliases):
    return {"name": name, "params": [], "result": {"name": "result", "schema": {}}, "x-aliases": list(aliases)}


@pytest.mark.parametrize(
    ("methods", "sent"),
    [
        ([method("a", "b")], {"a": "a", "b": "b"}),
        ([method("a", "b"), method("b")], {"a": "a", "b": "b"}),
        ([method("a", "a")], {"a": "a"}),
        ([method("a", "c", "c"), method("b", "c")], {"a": "a", "b": "b", "c": "c"}),
        ([method("one two", "one_two")], {"one_two": "one two", "one_two_2": "one_two"}),
        ([method("b", "one two"), method("one_two")], {"b": "b", "one_two": "one_two", "one_two_2": "one two"}),
        ([method("a", "class")], {"a": "a", "class_": "class"}),
        ([method("a", "", 5, None)], {"a": "a"}),
        ([method("a") | {"x-aliases": "text"}], {"a": "a"}),
    ],
)
def test_alias_gives_way_to_methods(methods, sent):
    assert sent_by(document_of(*methods)) == sent


def sent_by(document):
    """Return the names that the methods of a client for Python send."""
    sent = {}

    class Caller:
        def call(self, method):
            return method

        def options(self, **_):
            return self

    client = loaded(python_source(document)).ApiBatch(Caller())
    for name, function in vars(type(client)).items():
        if callable(function) and not name.startswith("_"):
            sent[name] = getattr(client, name)()
    return sent


def test_alias_in_typescript(server):
    source = generate(server.openrpc("/api"), "typescript", VERSION)

    assert '  plus(a: number, b?: number): Promise<number> {\n    return this.#sender.call("plus", { a, b })' in source
    assert (
        '  sum(a: number, b?: number): Promise<number> {\n    return this.#sender.call("math.sum", { a, b })' in source
    )
    assert "   * It is another name of add.\n" in source
