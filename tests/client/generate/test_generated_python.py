"""Generated clients of Python: what they send, and what they return."""

import asyncio
import contextlib
import json

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, JsonRpcException, rpc
from flaskJSONRPCServer.client import Client, ConnectionLostError, Retry
from flaskJSONRPCServer.client.async_client import AsyncClient
from flaskJSONRPCServer.client.generate import DocumentError, generate
from flaskJSONRPCServer.client.transports.base import ClientResponse
from tests.client.generate.generating import document_of, loaded, python_source, server_of


class OutOfStock(JsonRpcApplicationError):
    """Fewer items are left."""

    ERROR_CODE = 1001
    ERROR_MESSAGE = "Out of stock"


def either(a: int, b: int = 1):
    return [a, b]


def positional(a: int, b: int = 2, /):
    return [a, b]


def named(*, a: int, b: int = 2):
    return [a, b]


def any_number(*numbers: int):
    return list(numbers)


def keywords(first: int = 0, /, **values: int):
    return [first, values]


def both(a: int = 1, /, b: int = 2, *, c: int = 3):
    return [a, b, c]


def rest(a: int, *more: int, c: int = 3):
    return [a, *more, c]


def keyword_names(*, self: int = 0, cast: int = 0, params: int = 0, method: int = 0):
    return [self, cast, params, method]


FUNCTIONS = (either, positional, named, any_number, keywords, both, rest, keyword_names)


@pytest.fixture(scope="module")
def server():
    server = server_of(*FUNCTIONS)
    server.registerFunction(lambda: None, path="/api", name="close")
    return server


@pytest.fixture(scope="module")
def module(server):
    return loaded(python_source(server.openrpc("/api", "http://127.0.0.1:1")))


@pytest.fixture(scope="module")
def api(module, server):
    return module.Api(Client(server, path="/api"))


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (either, (1,), {}),
        (either, (1, 2), {}),
        (either, (1,), {"b": 3}),
        (either, (), {"b": 3, "a": 4}),
        (positional, (1,), {}),
        (positional, (1, 5), {}),
        (named, (), {"a": 1}),
        (named, (), {"a": 1, "b": 7}),
        (any_number, (), {}),
        (any_number, (1, 2, 3), {}),
        (keywords, (), {"x": 1, "y": 2}),
        (keywords, (5,), {}),
        (both, (), {}),
        (both, (5,), {}),
        (both, (5, 6), {}),
        (both, (), {"b": 6, "c": 7}),
        (rest, (1,), {}),
        (rest, (1, 2, 3), {}),
        (rest, (1,), {"c": 9}),
    ],
)
def test_call_passes_arguments_as_the_function_takes_them(api, function, args, kwargs):
    assert getattr(api, function.__name__)(*args, **kwargs) == function(*args, **kwargs)


def test_names_that_the_client_uses_itself_are_sent_as_they_are(api):
    assert api.keyword_names(self_=1, cast_=2, params=3, method=4) == [1, 2, 3, 4]
    assert api.close_() is None


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "fault"),
    [
        ("either", (1, 2, 3), {}, "positional argument"),
        ("either", (), {"c": 1}, "unexpected keyword argument"),
        ("named", (1,), {}, "positional argument"),
        ("positional", (), {}, "missing 1 required positional argument"),
        ("both", (5,), {"c": 7}, "c by name only, and others by position only"),
        ("rest", (1, 2), {"c": 7}, "c by name only"),
    ],
)
def test_call_that_the_function_cannot_take_is_not_sent(api, name, args, kwargs, fault):
    with pytest.raises(TypeError, match=fault):
        getattr(api, name)(*args, **kwargs)


def test_parameter_by_position_cannot_be_omitted_before_another(module):
    document = document_of(
        {
            "name": "f",
            "paramStructure": "by-position",
            "params": [{"name": "a", "schema": {}}, {"name": "b", "schema": {}}],
            "result": {"name": "r", "schema": {}},
        }
    )
    api = loaded(python_source(document)).Api("http://127.0.0.1:1")

    with pytest.raises(TypeError, match="parameter 1 cannot be omitted"):
        api.f(b=2)


def test_options_are_refused_with_a_client_that_exists(module, server):
    with pytest.raises(TypeError, match="timeout: options of a new client"):
        module.Api(Client(server, path="/api"), timeout=5)
    with pytest.raises(TypeError, match="timeout: options of a new client"):
        module.AsyncApi(AsyncClient(server, path="/api"), timeout=5)


def test_batch_and_notifications():
    heard = []
    server = server_of(either, log=heard.append)
    api = loaded(python_source(server.openrpc("/api"))).Api(Client(server, path="/api"))

    assert api.notify.log("at once") is None
    with api.batch() as batch:
        first = batch.either(1)
        batch.notify.log("in a batch")
        second = batch.either(a=3, b=4)

    assert heard == ["at once", "in a batch"]
    assert [first.result(), second.result()] == batch.results() == [[1, 1], [3, 4]]


def test_coroutines():
    heard = []
    server = server_of(either, log=heard.append)
    module = loaded(python_source(server.openrpc("/api")))

    async def calls():
        async with module.AsyncApi(AsyncClient(server, path="/api")) as api:
            await api.notify.log("at once")
            async with api.batch() as batch:
                pending = batch.either(5)
                batch.notify.log("in a batch")
            return await api.either(1, b=2), pending.result(), await api.options(timeout=5).either(3)

    assert asyncio.run(calls()) == ([1, 2], [5, 1], [3, 1])
    assert heard == ["at once", "in a batch"]


def test_dotted_names_are_attributes_of_attributes():
    server = server_of(**{"math.add": lambda a, b: a + b, "math.deep.negate": lambda a: -a, "math": lambda: "itself"})
    api = loaded(python_source(server.openrpc("/api"))).Api(Client(server, path="/api"))

    assert api.math.add(1, 2) == 3
    assert api.math.deep.negate(4) == -4
    assert api.math_2() == "itself"
    with api.batch() as batch:
        pending = batch.math.add(3, 4)
    assert pending.result() == 7


def test_declared_errors_are_classes_of_the_module():
    def buy(item: str) -> int:
        """Buy an item.

        Raises:
            OutOfStock: Fewer are left.
        """
        raise OutOfStock(data={"item": item})

    server = server_of(buy)
    module = loaded(python_source(server.openrpc("/api")))
    api = module.Api(Client(server, path="/api"))

    with pytest.raises(module.OutOfStock) as raised:
        api.buy("tea")
    with api.batch() as batch:
        pending = batch.buy("tea")

    assert (raised.value.code, raised.value.message, raised.value.data) == (1001, "Out of stock", {"item": "tea"})
    assert type(pending.exception()) is module.OutOfStock is not OutOfStock
    assert type(JsonRpcException.exc_from_error(raised.value.get_error())) is not module.OutOfStock
    assert "Raises:\n            OutOfStock" in module.Api.buy.__doc__


def test_methods_without_a_result_are_notifications():
    heard = []
    server = server_of()
    server.registerFunction(heard.append, path="/api", name="log", notification=True)
    api = loaded(python_source(server.openrpc("/api"))).Api(Client(server, path="/api"))

    assert api.log("x") is None
    with api.batch() as batch:
        assert batch.log("y") is None

    assert heard == ["x", "y"]


def server_of_two_paths():
    server = server_of(either)
    server.registerFunction(lambda: "deep", path="/api/shop", name="either")
    return server


class Recorder:
    """A transport that notes the URLs of requests, and answers each with null."""

    def __init__(self):
        self.urls = []

    def send(self, request, deadline):
        self.urls.append(request.url)
        return ClientResponse(200, {}, b'{"jsonrpc": "2.0", "result": null, "id": %d}' % json.loads(request.body)["id"])

    def close(self):
        self.urls.append("closed")


class AsyncRecorder(Recorder):
    async def send(self, request, deadline):
        return super().send(request, deadline)

    async def close(self):
        super().close()


def test_server_of_several_paths_has_a_client_for_each():
    module = loaded(python_source(server_of_two_paths().openrpc(url="http://127.0.0.1:1")))
    transport = Recorder()

    with module.Server(transport=transport) as server:
        server.api.either(1)
        server.api_shop.either()

    assert transport.urls == ["http://127.0.0.1:1/api", "http://127.0.0.1:1/api/shop", "closed", "closed"]


def test_asynchronous_server_of_several_paths_has_a_client_for_each():
    module = loaded(python_source(server_of_two_paths().openrpc()))
    transport = AsyncRecorder()

    async def calls():
        async with module.AsyncServer("http://127.0.0.1:2/", transport=transport) as server:
            await server.api_shop.either()

    asyncio.run(calls())
    assert transport.urls == ["http://127.0.0.1:2/api/shop", "closed", "closed"]


class Breaking(Recorder):
    """A transport that loses the first answer."""

    def send(self, request, deadline):
        response = super().send(request, deadline)
        if len(self.urls) == 1:
            raise ConnectionLostError("lost")
        return response


def test_call_is_sent_again_if_the_server_says_that_it_is_idempotent():
    server = server_of(buy=lambda: None)
    server.registerFunction(lambda: None, path="/api", name="list_all", idempotent=True)
    module = loaded(python_source(server.openrpc("/api")))
    retry = Retry(base_pause_s=0)

    for name, options, sent in (("list_all", {}, 2), ("buy", {}, 1), ("list_all", {"idempotent": False}, 1)):
        transport = Breaking()
        with module.Api(Client("http://h/api", transport=transport, retry=retry)) as api:
            with contextlib.suppress(ConnectionLostError):
                getattr(api.options(**options), name)()
        assert transport.urls == ["http://h/api"] * sent + ["closed"]


def test_url_with_variables_is_no_default():
    document = document_of({"name": "f", "params": []}, servers=[{"url": "https://{region}.example.test/api"}])

    with pytest.raises(TypeError, match="url"):
        loaded(python_source(document)).Api()


def test_parts_of_documents_may_be_references():
    document = document_of(
        {
            "name": "f",
            "params": [{"$ref": "#/components/contentDescriptors/a"}],
            "errors": [{"$ref": "#/components/errors/e"}],
        }
    )
    document["components"] |= {
        "contentDescriptors": {"a": {"name": "amount", "required": True, "schema": {"type": "integer"}}},
        "errors": {"e": {"code": -32050, "message": "Busy"}},
    }
    source = python_source(document)

    assert "def f(self, amount: int) -> None:" in source
    assert "class Busy(JsonRpcReservedError, registered=False):" in source


def test_path_chooses_methods():
    document = server_of_two_paths().openrpc()

    assert not hasattr(loaded(python_source(document, "/api/shop")), "Server")
    with pytest.raises(DocumentError, match=r"no methods on the path '/shop'; known: /api, /api/shop"):
        python_source(document, "/shop")


@pytest.mark.parametrize("tree", [None, [], {}, {"openrpc": "1.4.1"}, {"openrpc": "1.4.1", "methods": [1]}, "text"])
def test_other_values_are_no_documents(tree):
    with pytest.raises(DocumentError, match="no OpenRPC document"):
        python_source(tree)


@pytest.mark.parametrize("language", ["python", "typescript", "javascript"])
def test_same_document_gives_the_same_bytes(language):
    first = generate(server_of(*FUNCTIONS).openrpc(), language, "1")
    second = generate(server_of(*reversed(FUNCTIONS)).openrpc(), language, "1")

    assert first == second
    assert "Generated by flaskJSONRPCServer 1;" in first.splitlines()[0]
    assert first.splitlines()[1].split()[-1] not in generate(server_of(either).openrpc(), language, "1")


def test_documentation_of_the_method_is_its_docstring():
    def add(a: int, b: int = 1) -> int:
        """Add two numbers.

        Quickly.

        Args:
            a: The first number.

        Returns:
            The sum.
        """
        return a + b

    server = server_of()
    server.registerFunction(rpc(alias="plus", deprecated=True)(add), path="/api", timeout=5, validate=False)
    text = loaded(python_source(server.openrpc("/api"))).Api.add.__doc__

    assert text.startswith("Add two numbers.\n\n        Quickly.\n")
    assert "a: The first number.\n            b: The default of the server is 1.\n" in text
    assert "Returns:\n            The sum." in text
    for note in ("other names too: plus", "after 5 seconds", "does not check", "It is deprecated."):
        assert note in text
