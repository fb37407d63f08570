"""Connect WSGI, Flask and the pipeline.

A request for an RPC URL is answered without Flask: Flask's request handling costs several times as much as a call. If
the Flask application could notice the difference, the request goes through Flask's full request handling instead. All
other requests (an unknown path, a method such as PUT) go to Flask. Both ways give the same bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from typing import Any

import flask
from flask import signals

from .dispatch.locks import Locks
from .dispatch.pipeline import Pipeline
from .dispatch.streams import AdmittedResponse
from .http.request import EXCHANGE, Environ, ReceivedRequest, Request
from .http.response import Response
from .mounting.mount import FlaskMount
from .runtime.interrupts import is_interrupt

__all__ = ["Application"]

_SIGNALS = (
    signals.request_started,
    signals.request_finished,
    signals.request_tearing_down,
    signals.got_request_exception,
    signals.appcontext_pushed,
    signals.appcontext_popped,
    signals.appcontext_tearing_down,
)


class Application:
    """The WSGI callable of a server.

    Args:
        app: The Flask application, which answers all other requests.
        pipeline: The pipeline, which answers RPC requests.
        locks: The locks that hold requests back, including those for pages of the application.
        mount: The URLs of the server in the application.
        always_flask: Whether RPC requests always go through Flask.
    """

    def __init__(
        self, app: flask.Flask, pipeline: Pipeline, locks: Locks, mount: FlaskMount, *, always_flask: bool
    ) -> None:
        self._app = app
        self._mount = mount
        self._pipeline = pipeline
        self._locks = locks
        self._always_flask = always_flask
        # All observers of a request are in these containers. Flask fills them in place, so they show each new one.
        self._attributes = vars(app)
        self._error_handlers = app.error_handler_spec[None]
        self._observers: tuple[Collection[Any], ...] = (
            app.before_request_funcs,
            app.after_request_funcs,
            app.teardown_request_funcs,
            app.teardown_appcontext_funcs,
            app.url_value_preprocessors,
            *(signal.receivers for signal in _SIGNALS),
        )

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        if self._is_observed():
            response = self._answer_beside_flask(environ)
        elif self._locks.closed and self.is_immediate(environ):
            response = self._pipeline.answer_built_in(environ)
        else:
            response = self._pipeline.answer(environ)
            if response is None:
                return self._answer_built_in_or_page(environ, start_response)
        if response is None:
            return self._answer_of_flask(environ, start_response)
        return sent(response, environ, start_response)

    def respond(self, received: ReceivedRequest) -> Response | None:
        """Answer a request without WSGI.

        Returns:
            The answer; None if only :meth:`__call__` can answer it, or if ``received.stream`` answers it.
        """
        if self._is_observed() or (self._locks.closed and self.is_immediate(received.head)):
            return None
        response = self._pipeline.answer(received.head, received)
        if response is None and (found := self._mount.find_built_in(received.head)) is not None:
            response = self._pipeline.answer_found(found, received.head, received)
            if type(response) is not Response and isinstance(response, AdmittedResponse):
                return serve_admitted(response, received)
        return response

    def is_immediate(self, head: Environ) -> bool:
        """Return whether a request is for a built-in URL that is answered immediately."""
        return self._pipeline.is_immediate(head) and self._mount.find_built_in(head) is not None

    def _answer_beside_flask(self, environ: Environ) -> Response | None:
        """Answer a request that need not or must not reach the application, though the application sees all others."""
        if self.is_immediate(environ):  # a hook that asks for a login must not make the server look dead
            return self._pipeline.answer_built_in(environ)
        return self._pipeline.wait_until_open(environ) if self._locks.closed else None

    def _answer_built_in_or_page(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        found = self._mount.find_built_in(environ)
        if found is None:
            return self._answer_of_flask(environ, start_response)
        return sent_built_in(self._pipeline.answer_found(found, environ), environ, start_response)

    def expires_at(self, received: ReceivedRequest) -> float | None:
        """Return when the deadlines of all calls of a request have passed; None if they never do."""
        return None if self._is_observed() else self._pipeline.expires_at(received)

    def has_deadlines(self) -> bool:
        """Return whether calls may have deadlines: without them, no request ever expires."""
        return self._pipeline.steps.has_timeouts

    def body_limit_bytes(self, head: Environ) -> int | None:
        """Return the size limit of the body of an RPC request; None for another URL."""
        return self._pipeline.body_limit_bytes(head)

    def check_head(self, head: Environ) -> None:
        """Check the head of a request before its body has come.

        What Flask sees first may change the head, so such a request is checked when it is complete.

        Raises:
            Refusal: The request would be refused by its head alone.
        """
        if not self._is_observed():
            self._pipeline.check_head(head, self._mount.find_built_in)

    def refusal_headers(self, head: Environ) -> list[tuple[str, str]]:
        """Return the headers for the answer to an RPC request that the serving backend refuses."""
        return self._pipeline.refusal_headers(head)

    def _answer_of_flask(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        exchange = environ.get(EXCHANGE)
        # Another server of this package may pass its requests on to this one, and keeps their streams itself.
        if exchange is not None and exchange.stream_keeper is None:
            exchange.stream_keeper = self._pipeline.steps.streams
        try:
            return self._app(environ, start_response)
        except Exception:
            raise  # Flask propagates it if its settings say so, as in tests and under a debugger
        except BaseException as exc:  # Flask always propagates these, which would end the serving thread
            if is_interrupt(exc):
                raise
            response = self._pipeline.server_error(Request(environ))
            start_response(response.status, response.headers, sys.exc_info())  # Flask may have begun an answer
            return body_of(response, environ)

    def _is_observed(self) -> bool:
        return (
            self._always_flask
            or self._pipeline.needs_flask
            or any(self._observers)
            or "wsgi_app" in self._attributes
            # Empty until Flask looks up the handler of a code, which leaves an empty entry.
            or (bool(self._error_handlers) and any(self._error_handlers.values()))
        )


def sent(response: Response, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Start a WSGI response and return its body."""
    start_response(response.status, response.headers)
    return body_of(response, environ)


def body_of(response: Response, environ: Environ) -> list[bytes]:
    """Return the body of a response, which the answer to a HEAD request does not have."""
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]


def serve_admitted(response: AdmittedResponse, received: ReceivedRequest) -> Response | None:
    """Let a stream answer a request. Return the answer in its place if there is no stream."""
    if response.stream is None:
        return Response(response.status, response.headers)
    response.stream.serve(received, response.status, response.headers)
    return None


def sent_built_in(response: Response, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Start a WSGI response that may be a stream, and return its body."""
    if not isinstance(response, AdmittedResponse):
        return sent(response, environ, start_response)
    start_response(response.status, response.headers)
    return response.wsgi_body(environ)
