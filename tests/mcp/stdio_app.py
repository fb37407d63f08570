"""A server for one client over the standard streams, mounted on a Flask application."""

import sys

import flask

from flaskJSONRPCServer import flaskJSONRPCServer

app = flask.Flask("shop")
server = flaskJSONRPCServer(None, log=0)
server.init_app(app, "/rpc")


@app.teardown_appcontext
def end_of_context(_):
    print("context ended", file=sys.stderr, flush=True)


def current_app() -> str:
    """Return the name of the current application, and count the calls of this context."""
    flask.g.calls = flask.g.get("calls", 0) + 1
    return f"{flask.current_app.name} {flask.g.calls}"


server.registerFunction(current_app, path="/api", name="at_once", mcp=True)
server.registerFunction(current_app, path="/api", name="in_a_thread", mcp=True, dispatcherBackend="threaded")
