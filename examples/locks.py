"""Close a server for maintenance: calls wait meanwhile, and none is refused.

    python examples/locks.py [PORT]
    curl 'http://127.0.0.1:8080/api/price?item=tea'
    curl 'http://127.0.0.1:8080/api/close'
    curl 'http://127.0.0.1:8080/api/status'
    curl 'http://127.0.0.1:8080/api/open'
    curl 'http://127.0.0.1:8080/api/raise_prices'
    curl 'http://127.0.0.1:8080/api/price?item=tea'

Between `close` and `open`, call `price` in another terminal: it waits, and is answered after `open`.
"""

import sys
import time

from flaskJSONRPCServer import flaskJSONRPCServer

PRICES = {"tea": 3, "coffee": 4}


def price(item):
    return PRICES[item]


def raise_prices(_connection):
    call = _connection.call
    call.lock(price)  # no call sees a mixture of old and new prices; all other functions keep running
    call.lockThis()  # later calls of this function wait for its end too
    try:
        for item in PRICES:
            PRICES[item] += 1
            time.sleep(0.1)  # simulate a database
    finally:
        call.unlockThis()
        call.unlock(price)
    return PRICES


def close(_connection):
    call = _connection.call
    call.lock()  # holds every function ...
    for function in (open_again, status):
        call.unlock(function, exclusive=True)  # ... except these
    return "closed"


def open_again(_connection):
    _connection.call.unlock()
    return "open"


def status(_connection):
    return "closed" if _connection.call.wait(returnStatus=True) else "open"


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="locks")
    for function in (price, raise_prices, close, status):
        server.registerFunction(function, path="/api")
    server.registerFunction(open_again, path="/api", name="open")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
