"""Replace globals of functions while calls come in: each call sees only old values or only new ones.

python examples/reload_globals.py [PORT]
curl 'http://127.0.0.1:8080/api/price?net=100'
curl 'http://127.0.0.1:8080/api/set_tax?percent=7&label=reduced'
curl 'http://127.0.0.1:8080/api/price?net=100'
"""

import sys

from flaskJSONRPCServer import flaskJSONRPCServer

PERCENT = 20
LABEL = "standard"


def price(net):
    return f"{int(net) * (100 + PERCENT) // 100} ({LABEL}, {PERCENT} %)"


def set_tax(percent, label, _connection):
    globals_of_price = {"PERCENT": int(percent), "LABEL": label}
    return _connection.server.reload({"dispatcher": "price", "path": "/api", "overload": globals_of_price})


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="reload_globals")
    server.registerFunction(price, path="/api")
    server.registerFunction(set_tax, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
