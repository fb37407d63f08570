"""The pipeline's answers to ``flask.request``, as Flask sends them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, NoReturn, cast

import flask
from flask import signals
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.local import LocalProxy

from ..dispatch.pipeline import Pipeline
from ..dispatch.routes import wsgi_encoded
from ..dispatch.streams import AdmittedResponse
from ..http.request import Environ
from ..http.response import Response, from_werkzeug
from .sessions import warning_of_lost_changes

__all__ = [
    "ANSWERED",
    "answer_of_flask",
    "current_app",
    "current_request",
    "environ_at",
    "explanation",
    "flask_answers_by",
    "flask_response",
    "process_of_flask",
    "report_to_flask",
]

ANSWERED: Final = "flaskJSONRPCServer.answered"
"""The key in an environ that says that the pipeline has answered the request."""


def current_request() -> flask.Request:
    """Return ``flask.request`` itself, not the proxy: a dispatcher may keep it after the context has ended."""
    request: flask.Request = cast("LocalProxy[flask.Request]", flask.request)._get_current_object()
    return request


def current_app() -> flask.Flask:
    """Return ``flask.current_app`` itself, not the proxy."""
    app: flask.Flask = cast("LocalProxy[flask.Flask]", flask.current_app)._get_current_object()
    return app


def environ_at(prefix: str, path: str, method: str | None) -> Environ:
    """Return the environ of ``flask.request`` with the path split into the prefix and this one, or a method's URL."""
    environ = current_request().environ
    script_name = environ.get("SCRIPT_NAME", "") + wsgi_encoded(prefix)
    return {**environ, "SCRIPT_NAME": script_name, "PATH_INFO": wsgi_encoded(path if method is None else path + method)}


def answer_of_flask(pipeline: Pipeline, environ: Environ) -> flask.Response:
    """Answer ``flask.request`` with this environ.

    Raises:
        NotFound, MethodNotAllowed: The request is not an RPC request.
    """
    request = current_request()
    response = (
        pipeline.answer(environ, parsed=request)
        or pipeline.answer_built_in(environ, parsed=request)
        or pipeline.refusal_of_unknown(environ, parsed=request)
    )
    if response is None:
        refuse(pipeline, environ)
    request.environ[ANSWERED] = True
    return flask_response(response)


def flask_answers_by(process: Callable[..., Any]) -> Callable[[str, str | None], Response]:
    """Return a function that answers ``flask.request`` by the user's ``_requestProcess``."""
    return lambda path, method: from_werkzeug(flask.current_app.make_response(process(path, method)))


def process_of_flask(pipeline: Pipeline, environ: Environ) -> flask.Response:
    """Answer ``flask.request`` with this environ, without the error handling and CORS of :meth:`Pipeline.answer`.

    Raises:
        Refusal: The request is refused with an HTTP error.
        NotFound, MethodNotAllowed: The request is not an RPC request.
    """
    exchange = pipeline.make_exchange(environ, parsed=current_request())
    target = pipeline.find(exchange.head)
    if target is None:
        refuse(pipeline, environ)
    return flask_response(pipeline.process(exchange, *target))


def refuse(pipeline: Pipeline, environ: Environ) -> NoReturn:
    allowed = pipeline.allowed_methods(environ.get("PATH_INFO", ""))
    raise MethodNotAllowed(allowed, explanation(flask.request.path, allowed)) if allowed else NotFound


def explanation(path: str, allowed: Collection[str]) -> str:
    """Return the explanation for an HTTP method that an RPC URL does not accept."""
    if "POST" not in allowed:
        return "The URL of a method takes GET; POST JSON-RPC requests to the path before it."
    return (
        'This URL takes JSON-RPC 2.0. POST a request such as {"jsonrpc": "2.0", "method": "...", "params": [], "id": 1}'
        f" to it, with Content-Type application/json. By GET a method is called at {path.rstrip('/')}/<method>."
    )


def report_to_flask(exc: BaseException) -> bool:
    """Report an unexpected exception to Flask, and return whether Flask propagates it.

    Flask propagates it if ``PROPAGATE_EXCEPTIONS``, ``TESTING`` or ``DEBUG`` is set, and sends its signal itself then.
    """
    if not flask.has_request_context():
        return False
    app = current_app()
    propagates = app.config["PROPAGATE_EXCEPTIONS"]
    if app.testing or app.debug if propagates is None else propagates:
        return True
    signals.got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=exc)
    return False


def flask_response(response: Response) -> flask.Response:
    """Return the answer as an object of the response class of the current application."""
    if isinstance(response, AdmittedResponse):
        if response.stream is not None:
            response.stream.surround(warning_of_lost_changes)
        body = response.wsgi_body(current_request().environ)
        # Passed through: Flask must not collect it, and `native` can take it as a stream.
        return flask.current_app.response_class(
            body, status=response.status, headers=response.headers, direct_passthrough=True
        )
    answer = flask.current_app.response_class(response.body, status=response.status, headers=response.headers)
    if not response.body:
        answer.headers.remove("Content-Type")  # Werkzeug's default, which an answer without a body must not have
    return answer
