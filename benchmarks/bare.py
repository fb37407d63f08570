"""The baseline: handwritten applications that only parse, call and serialise.

Each answers one kind of request, without checks, routing or error handling. They repeat each other, so that none pays
for a helper function.
"""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import flask

from .workloads import PATH, add

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Json:
    """One JSON module, writing bytes."""

    def __init__(self, module_name: str) -> None:
        module = importlib.import_module(module_name)
        self.loads: Callable[[bytes], Any] = module.loads
        returns_bytes = isinstance(module.dumps(None), bytes)
        self.dumps: Callable[[Any], bytes] = (
            module.dumps if returns_bytes else lambda value: module.dumps(value).encode()
        )


def wsgi_call(json: Json) -> Application:
    loads, dumps = json.loads, json.dumps

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        params = call["params"]
        result = add(**params) if isinstance(params, dict) else add(*params)
        body = dumps({"jsonrpc": "2.0", "result": result, "id": call["id"]})
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return application


def wsgi_notification(json: Json) -> Application:
    loads = json.loads

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        params = loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["params"]
        add(**params) if isinstance(params, dict) else add(*params)
        start_response("204 No Content", [])
        return []

    return application


def wsgi_batch(json: Json) -> Application:
    loads, dumps = json.loads, json.dumps

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        replies = []
        for call in loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))):
            params = call["params"]
            result = add(**params) if isinstance(params, dict) else add(*params)
            replies.append({"jsonrpc": "2.0", "result": result, "id": call["id"]})
        body = dumps(replies)
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return application


def flask_call(json: Json) -> Application:
    app = flask.Flask("bare")

    @app.post(PATH)
    def view() -> flask.Response:
        call = json.loads(flask.request.get_data())
        params = call["params"]
        result = add(**params) if isinstance(params, dict) else add(*params)
        body = json.dumps({"jsonrpc": "2.0", "result": result, "id": call["id"]})
        return flask.Response(body, mimetype="application/json")

    return app


def flask_notification(json: Json) -> Application:
    app = flask.Flask("bare")

    @app.post(PATH)
    def view() -> tuple[str, int]:
        params = json.loads(flask.request.get_data())["params"]
        add(**params) if isinstance(params, dict) else add(*params)
        return "", 204

    return app


def flask_batch(json: Json) -> Application:
    app = flask.Flask("bare")

    @app.post(PATH)
    def view() -> flask.Response:
        replies = []
        for call in json.loads(flask.request.get_data()):
            params = call["params"]
            result = add(**params) if isinstance(params, dict) else add(*params)
            replies.append({"jsonrpc": "2.0", "result": result, "id": call["id"]})
        return flask.Response(json.dumps(replies), mimetype="application/json")

    return app


BARE_WSGI = {"call": wsgi_call, "notification": wsgi_notification, "batch": wsgi_batch}
BARE_FLASK = {"call": flask_call, "notification": flask_notification, "batch": flask_batch}
