"""Typed views: by a Protocol, a class or a function."""

import datetime
from collections.abc import Awaitable
from typing import Any, Protocol

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer, raises, rpc
from flaskJSONRPCServer.client import ClientError, ResultError
from tests.client.types.shop import OutOfStock, Shop, ShopApi


@pytest.fixture(scope="module")
def server():
    server = flaskJSONRPCServer(None, log=0)
    server.registerInstance(Shop(), path="/api")
    server.registerFunction(lambda: 7, path="/api", name="math.seven")
    return server


def test_arguments_and_results(connect, server):
    face = connect(server)
    day = datetime.date(2030, 1, 2)

    assert face.run(lambda client: client.typed(ShopApi).next_day(day)) == datetime.date(2030, 1, 3)
    assert face.run(lambda client: client.typed(ShopApi).next_day(day, days=2)) == datetime.date(2030, 1, 4)
    assert face.run(lambda client: client.typed(ShopApi).next_day(days=3, day=day)) == datetime.date(2030, 1, 5)


@pytest.mark.parametrize("args", [(), (1, 2, 3)])
def test_wrong_arguments_are_not_sent(connect, server, args):
    face = connect(server)

    with pytest.raises(TypeError, match=r"next_day\(\): "):
        face.run(lambda client: client.typed(ShopApi).next_day(*args))
    with pytest.raises(TypeError, match="unexpected keyword argument 'dya'"):
        face.run(lambda client: client.typed(ShopApi).next_day(1, dya=1))


def test_result_that_does_not_fit(connect, server):
    with pytest.raises(ResultError, match="result: expected an integer, not string"):
        connect(server).run(lambda client: client.typed(ShopApi).count())


def test_declared_error(connect, server):
    class Other(JsonRpcApplicationError):
        """A later class with the same code, of another API."""

        ERROR_CODE = OutOfStock.ERROR_CODE

    face = connect(server)
    with pytest.raises(OutOfStock) as raised:
        face.run(lambda client: client.typed(ShopApi).buy("tea"))
    assert raised.value.data == {"item": "tea"}
    with pytest.raises(Other):
        face.call("buy", "tea")


def test_method_that_the_interface_has_not(connect, server):
    with pytest.raises(AttributeError, match="ShopApi declares no method 'sell'"):
        _ = connect(server).client.typed(ShopApi).sell


def test_nested_interface_is_a_prefix(connect, server):
    assert connect(server).run(lambda client: client.typed(ShopApi).math.seven()) == 7
    assert connect(server).run(lambda client: client.typed(MathApi, prefix="math.").seven()) == 7


class MathApi(Protocol):
    def seven(self) -> int: ...


def test_class_and_function_of_the_server_are_interfaces(connect, server):
    face = connect(server)
    day = datetime.date(2030, 1, 2)

    assert face.run(lambda client: client.typed(Shop).next_day(day)) == datetime.date(2030, 1, 3)

    def next_day(day: datetime.date, days: int = 1, _connection: Any = None) -> datetime.date:
        raise AssertionError("it is not run here")

    assert face.run(lambda client: client.typed(next_day)(day, days=5)) == datetime.date(2030, 1, 7)


def test_names_of_the_decorators_of_the_server(connect, server):
    assert connect(server).run(lambda client: client.typed(Shop).renamed()) == "renamed"


def test_views_in_batches(connect, server):
    items = []

    def fill(batch):
        shop = batch.typed(ShopApi)
        items.extend([shop.next_day(datetime.date(2030, 1, 2)), shop.count(), shop.buy("tea")])

    connect(server).batch(fill)

    assert items[0].result() == datetime.date(2030, 1, 3)
    assert isinstance(items[1].exception(), ResultError)
    assert isinstance(items[2].exception(), OutOfStock)


def test_awaitable_of_a_hint_is_its_result(connect, server):
    class Api(Protocol):
        def next_day(self, day: datetime.date) -> Awaitable[datetime.date]: ...

    face = connect(server)
    assert face.run(lambda client: client.typed(Api).next_day(datetime.date(2030, 1, 2))) == datetime.date(2030, 1, 3)


def test_hint_of_a_name_that_is_not_there(connect, server):
    def count() -> "Nowhere": ...  # noqa: F821

    with pytest.raises(ClientError, match=r"the hint of the result of .*count cannot be read: name 'Nowhere'"):
        connect(server).run(lambda client: client.typed(count)())


@pytest.mark.parametrize("interface", [5, "Api", None])
def test_no_interface(connect, server, interface):
    with pytest.raises(TypeError, match="is no interface"):
        connect(server).client.typed(interface)


def test_result_type_of_a_view(connect, server):
    face = connect(server)
    options = {"result_type": datetime.date}

    assert face.call("next_day", "2030-01-02", options=options) == datetime.date(2030, 1, 3)
    assert face.call("next_day", "2030-01-02", options=options | {"result_type": Any}) == "2030-01-03"


def test_errors_declared_by_raises_are_kept():
    assert raises(OutOfStock)(lambda: None).__rpc_errors__ == (OutOfStock,)
    assert rpc(name="x")(lambda: None)._rpc_options.name == "x"
