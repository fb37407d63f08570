"""Add an API to an existing Flask application, with its pages, its session and its hooks on the same address.

    python examples/flask_merge.py [PORT]

Then open http://127.0.0.1:8080/ in a browser, or:

    curl http://127.0.0.1:8080/
    curl -H 'Content-Type: application/json' -d '{"jsonrpc": "2.0", "method": "visits", "id": 1}' http://127.0.0.1:8080/api

(A client that keeps cookies keeps its session: curl does with `-b jar -c jar`.)
"""

import os
import secrets
import sys

import flask

from flaskJSONRPCServer import flaskJSONRPCServer

app = flask.Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_bytes()


@app.before_request
def count_visit():
    # Hooks see RPC requests too: with an assigned application, all requests go through Flask.
    flask.session["visits"] = flask.session.get("visits", 0) + 1


@app.get("/")
def home():
    return f"visit {flask.session['visits']}\n"


def visits():
    # flask.request, flask.g and flask.session work in a dispatcher as they do in a view.
    return {"visits": flask.session["visits"], "endpoint": flask.request.path}


def make_server(port):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="merged")
    # fallback=False: no GET. A method that uses the session needs POST, which pages of other sites cannot send
    # without a preflight.
    server.registerFunction(visits, path="/api", fallback=False)
    server.flaskApp = app  # before the start
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    make_server(port).serveForever()


if __name__ == "__main__":
    main()
