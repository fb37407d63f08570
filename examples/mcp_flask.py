"""Put functions of a Flask application that you already have in front of a language model.

    python examples/mcp_flask.py [PORT]

Add http://127.0.0.1:8080/mcp to a client of the Model Context Protocol; docs/mcp.md shows how. The pages stay what they
are:

    curl http://127.0.0.1:8080/
"""

import sys

import flask

from flaskJSONRPCServer import flaskJSONRPCServer

# The application as it was.

app = flask.Flask(__name__)
ORDERS = {7: "tea", 8: "coffee"}


def find_orders(item: str) -> list[int]:
    """Return the numbers of the orders of an item."""
    return [number for number, ordered in ORDERS.items() if ordered == item]


def cancel_order(number: int) -> bool:
    """Cancel an order, and return whether there was one."""
    return ORDERS.pop(number, None) is not None


@app.get("/")
def home():
    return f"{len(ORDERS)} orders\n"


# What is new.

server = flaskJSONRPCServer(None, name="orders")
server.init_app(app)
for function in (find_orders, cancel_order):
    server.registerFunction(function, path="/api", mcp=True)


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080)  # in production: gunicorn or another WSGI server
