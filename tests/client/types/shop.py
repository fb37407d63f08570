"""A class that serves, and its interface."""

import datetime
from typing import Protocol

from flaskJSONRPCServer import JsonRpcApplicationError, raises, rpc


class OutOfStock(JsonRpcApplicationError):
    """There is none left."""

    ERROR_CODE = 1701
    ERROR_MESSAGE = "Out of stock"


class Shop:
    def next_day(self, day: datetime.date, days: int = 1) -> datetime.date:
        return day + datetime.timedelta(days=days)

    def count(self):
        return "three"

    @raises(OutOfStock)
    def buy(self, item: str) -> None:
        raise OutOfStock(data={"item": item})

    @rpc(name="other")
    def renamed(self) -> str:
        return "renamed"


class MathApi(Protocol):
    def seven(self) -> int: ...


class ShopApi(Protocol):
    math: MathApi

    def next_day(self, day: datetime.date, days: int = 1) -> datetime.date: ...

    def count(self) -> int: ...

    @raises(OutOfStock)
    def buy(self, item: str) -> None: ...
