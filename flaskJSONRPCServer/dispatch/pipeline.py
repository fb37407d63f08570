"""Handles a request: from its head, a WSGI environ or the result of a parser, to status, headers and body.

The head comes before the body: everything that can refuse a request without its body is checked first, ``auth``
included. A request that is refused before it is JSON-RPC gets an HTTP status and a sentence that names the setting.
Everything later is a JSON-RPC answer with status 200.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import werkzeug.wrappers

from ..http import jsonp
from ..http.body import declared_length, is_gzip
from ..http.cors import Cors, is_allowed
from ..http.event_streams import StreamedResponse
from ..http.guard import Guard, is_cross_site
from ..http.refusals import Forbidden, Misdirected, Refusal
from ..http.request import ARRIVED_AT, IS_FORWARDED, Environ, ReceivedRequest, Request
from ..http.response import Response, merged_headers, refusal_response, server_error_response
from ..runtime.contexts import own_context
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import ERROR
from ..runtime.stats import Stats
from ..sansio_jsonrpc import JsonRpcRequest
from ..settings import Settings
from .authorizer import Authorizer
from .built_in import BuiltInSite, BuiltInUrl, FoundUrl
from .caller_time import TIMEOUT_HEADER
from .checked_plan import CheckedPlan
from .client_scripts import CLIENT_JS
from .connection import ServerFacts
from .deadlines import deadline_of
from .discovery import DISCOVER, Discovery, document_response, script_response
from .exchange import Exchange
from .rendering import cors_headers, with_cors
from .routes import Endpoint, Route, Router
from .steps import Steps, with_arrival, with_lock, with_names, with_own_context

__all__ = ["METHOD_URL_METHODS", "PATH_METHODS", "Pipeline"]

PATH_METHODS = ("OPTIONS", "POST")
"""The HTTP methods of a registered path."""

METHOD_URL_METHODS = ("GET", "HEAD", "OPTIONS")
"""The HTTP methods of the URL of one JSON-RPC method."""

# The endpoint of all built-in URLs, for the rate limits.
_ALL_PATHS = Endpoint("/", {})


class Pipeline:
    """Answers JSON-RPC requests.

    It plans from a snapshot of the settings: prepared headers, sets of accepted values, the JSON codec. So the settings
    are frozen while a pipeline exists; assigning one is an error, rather than a change without effect.

    Args:
        settings: The frozen settings of the server.
        server: The server, for its log, its locks and ``auth``.
        router: The routes.
        guard: Checks requests before their bodies are read.
        stats: Counts the requests.
        steps: The steps that depend on overrides.
        should_propagate: As with :class:`~flaskJSONRPCServer.dispatch.invoker.Invoker`.

    Attributes:
        steps: The steps that depend on overrides; :meth:`rebuild` replaces them.
        authorise: Checks that a client may do something on a path; see :meth:`.authorizer.Authorizer.authorise`.
        has_auth: Whether there is an ``auth``; without one, ``authorise`` refuses nobody.
        needs_flask: Whether a step needs ``flask.request``. Then every request has to go through Flask.
    """

    def __init__(
        self,
        settings: Settings,
        server: ServerFacts,
        router: Router,
        guard: Guard,
        stats: Stats,
        steps: Steps,
        *,
        should_propagate: Callable[[BaseException], bool],
    ) -> None:
        self._should_propagate = should_propagate
        self._server = server
        self._locks = server.locks
        self._router = router
        self._guard = guard
        self._stats = stats
        self._auth: Callable[..., Any] | None = settings.auth
        self.has_auth = settings.auth is not None
        self._cors = None if settings.cors is False else Cors(settings.cors)
        self._names_origins = settings.allowed_origins is not None  # the guard checks them
        self._max_body_bytes = settings.max_body_bytes
        self._built_in_names = frozenset({settings.discover_url, *([CLIENT_JS] if settings.client_js else [])})
        self._blocking_lock = threading.Lock() if settings.blocking else None
        self.rebuild(steps)

    def rebuild(self, steps: Steps) -> None:
        """Replace the steps, from the next request on."""
        self.steps = steps
        self._request_options = steps.request_options
        self._authorizer = Authorizer(self._auth, self._server, steps.copy_request)
        self.authorise = self._authorizer.authorise
        self.needs_flask = steps.custom_process is not None or steps.custom_view is not None
        process = self.process if steps.custom_process is None else with_names(steps.custom_process)
        if self._auth is not None:  # its context variables are there for the dispatchers, but not for the next request
            process = with_own_context(process)
        if self._blocking_lock is not None:
            process = with_lock(process, self._blocking_lock)
        if steps.traced is not None:
            process = steps.traced(process)
        self._process = with_arrival(process) if steps.has_timeouts else process

    def answer(
        self,
        head: Environ,
        received: ReceivedRequest | None = None,
        parsed: werkzeug.wrappers.Request | None = None,
    ) -> Response | None:
        """Answer a request.

        Args:
            head: The WSGI environ, or the head of ``received``.
            received: The request itself, if it has no environ yet.
            parsed: Werkzeug's view of the environ, if one exists already.

        Returns:
            The answer; None if this is no RPC request: its path is unknown, or the path does not accept its HTTP
            method.
        """
        if self._locks.closed and (refusal_answer := self.wait_until_open(head, received)) is not None:
            return refusal_answer
        route = None  # find() for a POST, as nearly all requests are, without the cost of its call
        endpoint = self._router.table.endpoints.get(head.get("PATH_INFO", ""))
        if head["REQUEST_METHOD"] != "POST":
            endpoint, route = self.find(head) or (None, None)
        if endpoint is None:
            return None
        stats = self._stats
        try:  # thread_counters(), without the cost of its call
            counters = stats.local.counters
        except AttributeError:
            counters = stats.thread_counters()
        exchange = Exchange(head, counters, self._request_options, received, parsed)
        counters.requests_started += 1
        process = self._process
        try:
            response = process(exchange, endpoint, route)
        except BaseException as exc:
            if self._is_for_program(exc):
                raise
            response = self._refusal(exc, exchange)
            counters.count_refusal(response.status)
        finally:
            counters.requests_done += 1
            if stats.awaiting_idle:
                stats.wake_waiting()
        return response if self._cors is None else with_cors(response, exchange, self._cors)

    def answer_built_in(
        self,
        head: Environ,
        *,
        received: ReceivedRequest | None = None,
        parsed: werkzeug.wrappers.Request | None = None,
        site: BuiltInSite | None = None,
    ) -> Response | None:
        """Answer a request for a built-in URL; None if there is none.

        A streamed answer is a :class:`~flaskJSONRPCServer.dispatch.streams.AdmittedResponse`.

        Args:
            head: As with :meth:`answer`.
            received: As with :meth:`answer`.
            parsed: As with :meth:`answer`.
            site: The URLs of another address than those of the server; None for the server's own.
        """
        urls = self.steps.built_in_urls if site is None else site.urls
        found = urls.find_for(head)
        return None if found is None else self.answer_found(found, head, received, parsed, site)

    def answer_found(
        self,
        found: FoundUrl,
        head: Environ,
        received: ReceivedRequest | None = None,
        parsed: werkzeug.wrappers.Request | None = None,
        site: BuiltInSite | None = None,
    ) -> Response:
        """Answer a request for a built-in URL that has been found; the arguments are those of the answer."""
        url, rest = found
        counters = self._stats.thread_counters()
        exchange = Exchange(head, counters, self._request_options, received, parsed)
        if url.is_counted:
            counters.requests_started += 1
        try:
            response = self._process_built_in(exchange, url, rest, site)
            # isinstance() takes several times as long to say no.
            if type(response) is not Response and isinstance(response, StreamedResponse):
                response = self.steps.streams.admit(response, head)
        except BaseException as exc:
            if self._is_for_program(exc):
                raise
            response = self._refusal(exc, exchange)
            if url.is_counted:
                counters.count_refusal(response.status)
        finally:
            if url.is_counted:
                counters.requests_done += 1
                if self._stats.awaiting_idle:
                    self._stats.wake_waiting()
        return response if self._cors is None else with_cors(response, exchange, self._cors, url.methods)

    def refusal_of_unknown(self, head: Environ, parsed: werkzeug.wrappers.Request | None = None) -> Response | None:
        """Return the refusal of a GET of a name that no method has; None if the answer is that there is no such URL.

        Args:
            head: The head of a request that is neither an RPC request nor one for a built-in URL.
            parsed: As with :meth:`answer`.
        """
        exchange = self.make_exchange(head, None, parsed)
        try:
            own_context().run(self._check_unknown, exchange)
        except Refusal as refusal:
            counters = exchange.counters
            counters.requests_started += 1
            counters.requests_done += 1
            response = refusal_response(refusal)
            counters.count_refusal(response.status)
            return response if self._cors is None else with_cors(response, exchange, self._cors)
        return None

    def _check_unknown(self, exchange: Exchange) -> None:
        """Check a GET of a name that no method has like one of a method: else names could be found by trying.

        Raises:
            Refusal: A GET of a method would be refused too, whatever its name.
        """
        endpoint, name = self._router.table.endpoint_of_method(exchange.wsgi_path)
        if endpoint is None or exchange.method not in ("GET", "HEAD"):
            return
        self._guard.check_head(exchange.head)
        if self.steps.limiter is not None:
            self.steps.limiter.admit(exchange, endpoint, None)
        self.authorise(exchange, endpoint.path, name)

    def _is_for_program(self, exc: BaseException) -> bool:
        """Return whether an exception that is being handled belongs to the program, not to the client."""
        return not isinstance(exc, Refusal) and (is_interrupt(exc) or self._should_propagate(exc))

    def _refusal(self, exc: BaseException, exchange: Exchange) -> Response:
        """Return the answer to a request that is refused or has failed; of a failure, the client learns no more."""
        return refusal_response(exc) if isinstance(exc, Refusal) else self.server_error(exchange)

    def is_immediate(self, head: Environ) -> bool:
        """Return whether a request is for a built-in URL that is answered immediately; a method at that URL wins."""
        return self.steps.built_in_urls.is_immediate(head) and self.find(head) is None

    def _process_built_in(self, exchange: Exchange, url: BuiltInUrl, rest: str, site: BuiltInSite | None) -> Response:
        if url.is_immediate:  # a load balancer asks by the server's address, as often as it likes
            return url.answer(exchange, rest)
        self._check_built_in(exchange.head, url, self._guard if site is None else site.guard)
        if exchange.method == "OPTIONS":
            return Response("204 No Content", [("Allow", ", ".join(url.methods))])
        if self.steps.limiter is not None and IS_FORWARDED not in exchange.head:  # the other process has counted it
            self.steps.limiter.admit(exchange, _ALL_PATHS, None)
        if url.needs_auth and (auth := url.auth or self._auth) is not None:
            self._authorizer.ask(auth, exchange, url.path, None)
        return url.answer(exchange, rest)

    def _check_built_in(self, head: Environ, url: BuiltInUrl, guard: Guard) -> None:
        try:
            guard.check_head(head)
            if url.refuses_foreign_pages and "HTTP_ORIGIN" in head:
                self._refuse_foreign_page(head, head["HTTP_ORIGIN"])
        except (Misdirected, Forbidden) as exc:
            if url.note_foreign is not None:
                url.note_foreign(exc)
            raise

    def _refuse_foreign_page(self, head: Environ, origin: str) -> None:
        """Check that a page that makes a request is one of this server, or of an origin that a setting names.

        Raises:
            Forbidden: It is another one.
        """
        if self._names_origins or not is_cross_site(head):
            return
        if self._cors is None or not is_allowed(self._cors.headers(origin)):
            raise Forbidden(f"Origin {origin!r} is not that of this server; allowed_origins may name it")

    def server_document(self, exchange: Exchange) -> Response:
        """Answer a GET of the document of the whole server, or of the client for it.

        Raises:
            Refusal: The request gets an HTTP error.
        """
        discovery = self.steps.discovery
        assert discovery is not None  # noqa: S101  without it, no URL leads here
        paths = self._router.table.paths()
        if self._auth is not None:
            paths = self.paths_shown(exchange, paths)
            if not paths:
                raise Forbidden("not authorised")
        if discovery.is_script(exchange):
            return script_response(discovery.script_of_server(exchange, paths), exchange, self.steps.renderer)
        return document_response(discovery.document_of_server(exchange, paths), exchange, self.steps.renderer)

    def paths_shown(self, exchange: Exchange, paths: Iterable[str]) -> list[str]:
        """Return the paths whose methods ``auth`` shows to the caller."""
        return self._authorizer.paths_allowed(exchange, paths, DISCOVER)

    def check_media_type(self, head: Environ) -> None:
        """Check the Content-Type of a body.

        Raises:
            UnsupportedMediaType: It is none of ``media_types``.
        """
        if head.get("CONTENT_TYPE") not in self._guard.good_media_types:
            self._guard.check_media_type(head)

    def body_of(self, exchange: Exchange) -> bytes:
        """Return the body of a request for a built-in URL, decompressed.

        Raises:
            Refusal: It is too large, or cannot be decompressed.
        """
        text, head = exchange.body(self._max_body_bytes), exchange.head
        if "HTTP_CONTENT_ENCODING" in head and is_gzip(head["HTTP_CONTENT_ENCODING"]):
            return self.steps.gunzip(text)
        return text

    def cors_headers(self, request: Request) -> list[tuple[str, str]]:
        """Return the CORS headers of the answer to a request; none without the setting ``cors``."""
        return [] if self._cors is None else cors_headers(request, self._cors)

    def wait_until_open(self, head: Environ, received: ReceivedRequest | None = None) -> Response | None:
        """Block while requests are held. The arguments are those of :meth:`answer`.

        Returns:
            The answer to the request if the server has stopped meanwhile, else None.
        """
        request = Request(head, received=received)
        # The time that it is held counts towards the deadlines of its calls.
        head.setdefault(ARRIVED_AT, request.arrived_at)
        try:
            self._locks.wait_until_open()
        except Refusal as refusal:
            response = refusal_response(refusal)
            response.headers = merged_headers(response.headers, self.cors_headers(request))
            return response
        return None

    def server_error(self, request: Request) -> Response:
        """Log the exception that is being handled, and return the answer: 500 with the id of the log entry."""
        about = (f"[{request.unique_id}]", request.method, request.wsgi_path)
        self._server.log.write(ERROR, "request failed", *about, traceback=True)
        return server_error_response(request.unique_id)

    def body_limit_bytes(self, head: Environ) -> int | None:
        """Return the largest body of a request for an RPC URL or a built-in one; None for any other URL."""
        path = head["PATH_INFO"]
        is_ours = path in self._router.table.endpoints or self.steps.built_in_urls.find(path) is not None
        return self._max_body_bytes if is_ours else None

    def check_head(self, head: Environ, built_in_of: Callable[[Environ], FoundUrl | None]) -> None:
        """Check the head of a request before its body has come, as :meth:`answer` does later.

        Rate limits and ``auth`` are not asked: they count, and may take long.

        Args:
            head: The head.
            built_in_of: Returns the built-in URL of a head that belongs to no RPC request; None if there is none.

        Raises:
            Refusal: The request would be refused by its head alone.
        """
        target = self.find(head)
        found = built_in_of(head) if target is None else None
        if target is None and (found is None or found[0].is_immediate):
            return
        try:
            if found is None:
                self._check_rpc(head)
            else:
                self._check_built_in(head, found[0], self._guard)
        except Refusal:  # which the serving backend counts
            if found is None or found[0].is_counted:
                counters = self._stats.thread_counters()
                counters.requests_started += 1
                counters.requests_done += 1
            raise

    def _check_rpc(self, head: Environ) -> None:
        self._guard.check_head(head)
        if head["REQUEST_METHOD"] == "POST":
            self.check_media_type(head)
            is_gzip(head.get("HTTP_CONTENT_ENCODING", ""))  # which refuses any other coding

    def expires_at(self, received: ReceivedRequest) -> float | None:
        """Return when the deadlines of all calls of a request have passed; None if they never do.

        From then on none of its calls runs, so it can be answered beyond the bounds on running calls.
        """
        head = received.head
        if not self.steps.has_timeouts or "HTTP_CONTENT_ENCODING" in head:
            return None
        target = self.find(head)
        if target is None:
            return None
        endpoint, route = target
        if route is not None:
            timeout_s = route.timeout_s
        elif head["REQUEST_METHOD"] == "POST" and endpoint.has_backends:
            timeout_s = self.steps.answerer.longest_timeout_s(received.body(self._max_body_bytes), endpoint)
        else:
            timeout_s = None
        return None if timeout_s is None else deadline_of(received.arrived_at, timeout_s)

    def refusal_headers(self, head: Environ) -> list[tuple[str, str]]:
        """Return the CORS headers for a refusal by the serving backend; none for a page of the application."""
        path = head["PATH_INFO"]
        is_ours = self.allowed_methods(path) or self.steps.built_in_urls.find(path) is not None
        return self.cors_headers(Request(head)) if is_ours else []

    def make_exchange(
        self,
        head: Environ,
        received: ReceivedRequest | None = None,
        parsed: werkzeug.wrappers.Request | None = None,
    ) -> Exchange:
        """Return the exchange of a request; the arguments are those of :meth:`answer`."""
        return Exchange(head, self._stats.thread_counters(), self._request_options, received, parsed)

    def allowed_methods(self, wsgi_path: str) -> tuple[str, ...]:
        """Return the HTTP methods that an RPC URL accepts; none for an unknown URL."""
        table = self._router.table
        if wsgi_path in table.endpoints:
            return PATH_METHODS
        endpoint, name = table.endpoint_of_method(wsgi_path)
        return () if endpoint is None or self._route_of_url(endpoint, name) is None else METHOD_URL_METHODS

    def find(self, head: Environ) -> tuple[Endpoint, Route | None] | None:
        """Return the endpoint of a POST, or the endpoint and route of a GET; None if this is no RPC request."""
        table, path, method = self._router.table, head.get("PATH_INFO", ""), head["REQUEST_METHOD"]
        endpoint = table.endpoints.get(path)
        if method == "POST":
            return None if endpoint is None else (endpoint, None)
        parent, name = table.endpoint_of_method(path)
        route = None if parent is None else self._route_of_url(parent, name)
        if parent is not None and route is not None and method in METHOD_URL_METHODS:
            return parent, route
        return (endpoint, None) if endpoint is not None and method == "OPTIONS" else None

    def _route_of_url(self, endpoint: Endpoint, name: str) -> Route | None:
        """Return the route that a URL below a path names: that of a method, of the document, or of the client."""
        route = endpoint.routes.get(name)
        return endpoint.built_in if route is None and name in self._built_in_names else route

    def process(self, exchange: Exchange, endpoint: Endpoint, route: Route | None) -> Response:
        """Answer a POST to an endpoint, or a GET to a route.

        Raises:
            Refusal: The request gets an HTTP error.
        """
        head, steps, guard = exchange.head, self.steps, self._guard
        guard.check_head(head)
        if exchange.method != "POST":
            return self._process_other(exchange, endpoint, route)
        if head.get("CONTENT_TYPE") not in guard.good_media_types:
            guard.check_media_type(head)
        if steps.limiter is not None:  # before auth, so that guesses are limited too
            steps.limiter.admit(exchange, endpoint, None)
        if self._auth is not None:
            declared_length(head, self._max_body_bytes)  # without auth, reading the body checks it soon enough
            self._authorizer.ask(self._auth, exchange, endpoint.path, None)
        text = exchange.body(self._max_body_bytes)
        if "HTTP_CONTENT_ENCODING" in head and is_gzip(head["HTTP_CONTENT_ENCODING"]):
            text = steps.gunzip(text)
        if steps.mime_type is not None:
            exchange.outgoing.mime_type = steps.mime_type(exchange.parsed)
        # Two literals: a set, or the constants of their modules, would take longer.
        if ("HTTP_IDEMPOTENCY_KEY" in head or "HTTP_REQUEST_TIMEOUT" in head) and steps.keyed is not None:
            return steps.keyed.answer(text, endpoint, exchange)
        return steps.renderer.render(steps.answerer.answer_text(text, endpoint, exchange), exchange)

    def _process_other(self, exchange: Exchange, endpoint: Endpoint, route: Route | None) -> Response:
        if exchange.method == "OPTIONS" or route is None:
            return Response("204 No Content", [("Allow", ", ".join(METHOD_URL_METHODS if route else PATH_METHODS))])
        return self._get(exchange, endpoint, route)

    def _get(self, exchange: Exchange, endpoint: Endpoint, route: Route) -> Response:
        if self.steps.limiter is not None:
            self.steps.limiter.admit(exchange, endpoint, route)
        if route is endpoint.built_in and self.steps.discovery is not None:
            return self._get_document(self.steps.discovery, exchange, endpoint.path)
        self.authorise(exchange, endpoint.path, route.name)
        self._guard.check_get(exchange.head, is_shared=route.allows_cross_site_get)
        if route.output_format is None:
            raise Forbidden("this method takes no GET; POST a JSON-RPC request")
        params = query_params(exchange, route)
        callback = jsonp.check_callback(params.pop("jsonp")) if "jsonp" in params else None
        values = route.plan.query_values(params) if isinstance(route.plan, CheckedPlan) else params
        exchange.use_jsonp(callback, route.output_format)
        steps = self.steps
        if steps.mime_type is not None:
            exchange.outgoing.mime_type = steps.mime_type(exchange.parsed)
        exchange.outgoing.headers["Cache-Control"] = "no-store"
        call = JsonRpcRequest(route.name, values, id=None)
        if steps.keyed is not None and TIMEOUT_HEADER in exchange.head:
            return steps.renderer.render(steps.keyed.answer_call(call, endpoint, exchange), exchange)
        return steps.renderer.render(steps.answerer.answer_message(call, endpoint, exchange), exchange)

    def _get_document(self, discovery: Discovery, exchange: Exchange, path: str) -> Response:
        if path == "/":
            return self.server_document(exchange)
        self.authorise(exchange, path, DISCOVER)
        if discovery.is_script(exchange):
            return script_response(discovery.script(exchange, path), exchange, self.steps.renderer)
        return document_response(discovery.document(exchange, path), exchange, self.steps.renderer)


def query_params(request: Request, route: Route) -> dict[str, str]:
    """Return the query as named parameters, all of them strings; the last value of a repeated name counts."""
    params = {name: values[-1] for name, values in request.parsed.args.lists()}
    # jQuery adds "_=<time>" to bypass caches.
    if not route.plan.takes("_"):
        params.pop("_", None)
    return params
