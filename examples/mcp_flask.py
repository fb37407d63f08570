"""Put functions of a Flask application that you already have in front of a language model: ten lines are new.

    python examples/mcp_flask.py [PORT]

Add http://127.0.0.1:8080/mcp to a client of the Model Context Protocol; docs/mcp.md shows how. The pages stay what they
are:

    curl http://127.0.0.1:8080/

In production, use a server with threads: most clients keep a stream open, which takes one. Several processes need the
same secret, by which they find each other:

    export FJRPC_SECRET=$(python -c "import secrets; print(secrets.token_urlsafe(48))")
    gunicorn --chdir examples --workers 2 --threads 64 --bind 127.0.0.1:8080 mcp_flask:app

The orders are in memory here, so each process has its own. A real application has them in a database.
"""

import os
import sys

import flask

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Tool

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

# The same functions are methods of JSON-RPC at /api. Without fallback, no page of another origin can call them by GET.
server = flaskJSONRPCServer(
    None,
    allowed_hosts=["127.0.0.1", "localhost"],
    fallback=False,
    max_streams=20,  # more than the default of 4; two workers take up to 60 of their 64 threads each for streams
    secret=os.environ.get("FJRPC_SECRET"),  # only fromConfig and the commands read such variables themselves
)
server.init_app(app)
server.registerFunction(find_orders, path="/api", mcp=Tool(read_only=True))
server.registerFunction(cancel_order, path="/api", mcp=Tool(destructive=True))


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080)
