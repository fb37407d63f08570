"""Generated clients of the examples call the examples, on real sockets."""

import asyncio
import contextlib

import pytest

from tests.client.generate.generating import loaded, python_source
from tests.examples.servers import server_of


@contextlib.contextmanager
def serving(name, folder):
    """Serve an example; yield its generated module and its URL."""
    server = server_of(name, folder)
    server.start()
    try:
        host, port = server.addresses[0]
        url = f"http://{host}:{port}"
        yield loaded(python_source(server.openrpc(url=url))), url
    finally:
        server.stop()


@pytest.fixture
def serve(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda name: stack.enter_context(serving(name, tmp_path))


def test_simple(serve):
    module, _ = serve("simple")

    with module.Server() as server:
        assert server.api.add(2, b=3) == 5
        assert server.api.add(0.5) == 1.5
        assert server.api.echo({"a": [1]}) == {"a": [1]}
        assert server.api.whoami()["ip"] == "127.0.0.1"
        assert server.api_shop.buy("tea") == 2
        assert server.api_shop.stock() == {"tea": 2, "coffee": 0}
        with pytest.raises(module.OutOfStock) as raised:
            server.api_shop.buy("coffee", 3)
        with server.api.batch() as batch:
            pending = [batch.add(number) for number in range(3)]

    assert raised.value.data == {"item": "coffee", "left": 0}
    assert [call.result() for call in pending] == batch.results() == [1, 2, 3]


def test_simple_in_coroutines(serve):
    module, _ = serve("simple")

    async def calls():
        async with module.AsyncServer() as server:
            sums = await asyncio.gather(*(server.api.add(number) for number in range(5)))
            return sums, await server.api_shop.stock()

    assert asyncio.run(calls()) == ([1, 2, 3, 4, 5], {"tea": 3, "coffee": 0})


def test_auth(serve):
    module, _ = serve("auth")

    with module.Api(auth="sesame") as api:
        assert api.secret() == "the treasure is under the palm tree"


def test_call_async(serve):
    module, _ = serve("call_async")

    with module.Api() as api:
        assert api.digest("a") == api.digest_in_time("a")


def test_custom_exec_backend(serve):
    module, _ = serve("custom_exec_backend")

    with module.Api() as api:
        first = api.deposit(5)
        assert api.deposit(amount=2) == first + 2


def test_locks_has_a_method_that_is_called_close(serve):
    module, _ = serve("locks")

    with module.Api() as api:
        assert api.status() == api.status()
        api.close_()
        api.open()


def test_notify(serve):
    module, _ = serve("notify")

    with module.Api() as api:
        api.notify.mail("ann")
        assert isinstance(api.sent(), list)


def test_reload_globals(serve):
    module, _ = serve("reload_globals")

    with module.Api() as api:
        assert api.price(net=100) == "120 (standard, 20 %)"


def test_primes(serve):
    module, _ = serve("primes")

    with module.Api() as api:
        assert api.largest(30, count=2) == [29, 23]


def test_url_of_the_document_is_replaced_by_another_one(serve):
    _, url = serve("simple")
    module = loaded(python_source(server_of("simple", None).openrpc()))

    with pytest.raises(TypeError, match="url"):
        module.Server()
    with module.Server(url) as server:
        assert server.api.add(1) == 2
