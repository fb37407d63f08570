"""Serve some functions and an object on http://127.0.0.1:8080/api. `make run` starts this.

    python examples/simple.py [PORT]

The port may also come from the environment variable PORT; 0 lets the system choose one.

Open http://127.0.0.1:8080/ in a browser: it leads to the console, which shows the methods and calls them. Type hints,
docstrings and examples describe the methods to it and to other clients, and parameters are checked against the hints:

    curl http://127.0.0.1:8080/openrpc.json
    curl 'http://127.0.0.1:8080/api/add?a=two'
"""

import os
import sys
from dataclasses import dataclass

from flaskJSONRPCServer import BindError, JsonRpcApplicationError, flaskJSONRPCServer, rpc


class OutOfStock(JsonRpcApplicationError):
    """The shop has less of the item."""

    # Clients get an error with this code and message. Other exceptions are reported without details.

    ERROR_CODE = 1001
    ERROR_MESSAGE = "Out of stock"


class Shop:
    """An object whose public methods become callable; names with an underscore do not."""

    def __init__(self):
        self._stock = {"tea": 3, "coffee": 0}

    def stock(self) -> dict[str, int]:
        """Return the items in stock, with their numbers."""
        return self._stock

    @rpc(examples=[{"name": "one tea", "params": {"item": "tea"}, "result": 2}])
    def buy(self, item: str, amount: int = 1) -> int:
        """Buy an item.

        Args:
            item: The name of the item.
            amount: The number to buy.

        Returns:
            The number that is left.

        Raises:
            OutOfStock: Fewer are left.
        """
        # Requests are served in threads. A race is harmless in this demo; use a lock in production.
        if self._stock.get(item, 0) < amount:
            raise OutOfStock(data={"item": item, "left": self._stock.get(item, 0)})
        self._stock[item] -= amount
        return self._stock[item]


def echo(value):
    """Return the value. Without a type hint, it may be any."""
    return value


@rpc(
    alias="plus",  # callable under a second name too
    examples=[
        {"name": "by position", "params": [2, 3], "result": 5},
        {"name": "by name", "params": {"a": 40, "b": 2}, "result": 42},
        {"name": "with the default", "params": [0.5], "result": 1.5},
    ],
)
def add(a: int | float, b: int | float = 1) -> int | float:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + b


@dataclass
class Caller:
    ip: str | None  # None over a Unix socket
    agent: str | None


def whoami(_connection) -> Caller:
    """Return the address of the caller, and the name of its program."""
    # The server fills the parameter of this name; clients do not see it.
    return Caller(_connection.ip, _connection.headers.get("User-Agent"))


def make_server(port):
    # cors=True: pages of every origin may call. Use it only for an API without secrets.
    info = {"title": "Demo shop", "version": "1.0.0", "description": "Some functions, and a shop that keeps its stock."}
    server = flaskJSONRPCServer(["127.0.0.1", port], cors=True, name="simple", api_info=info)
    for function in (echo, add, whoami):
        server.registerFunction(function, path="/api")
    server.registerInstance(Shop(), path="/api/shop")
    return server


def greet(server):
    host, port = server.addresses[0]  # with the actual port, if 0 was passed
    url = f"http://{host}:{port}"
    request = '{"jsonrpc": "2.0", "method": "add", "params": [2, 3], "id": 1}'
    print(f"Open {url}/ in a browser, or call it:\n")
    print(f"  curl -H 'Content-Type: application/json' -d '{request}' {url}/api")
    print(f"  curl '{url}/api/echo?value=hello'\n\nCtrl-C ends it.", flush=True)


def main():
    port = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", "8080"))
    server = make_server(port)
    try:
        server.serveForever(on_start=greet)
    except BindError as error:
        sys.exit(error.strerror)


if __name__ == "__main__":
    main()
