"""Connect WSGI, Flask and the pipeline.

A request for an RPC URL is answered without Flask: Flask's request handling costs several times as much as a call. If
the Flask application could notice the difference, the request goes through Flask's full request handling instead. All
other requests (an unknown path, a method such as PUT) go to Flask. Both ways give the same bytes.
"""

from __future__ import annotations

import contextlib
import copy
import operator
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, NoReturn, cast

import flask
from flask import signals
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.local import LocalProxy
from werkzeug.routing import Map, Rule, RuleFactory

from .dispatch.built_in import BuiltInUrl, FoundUrl
from .dispatch.locks import Locks
from .dispatch.pipeline import METHOD_URL_METHODS, PATH_METHODS, Pipeline
from .dispatch.routes import wsgi_encoded
from .dispatch.streams import AdmittedResponse, StreamedBody
from .errors import RegistrationError, SettingsError
from .http.request import IS_WRAPPED, Environ, ReceivedRequest, Request
from .http.response import Response, from_werkzeug, merged_headers
from .runtime.interrupts import is_interrupt

__all__ = [
    "Application",
    "DefaultFlask",
    "FlaskMount",
    "add_rules",
    "answer_of_flask",
    "checked_prefix",
    "environ_at",
    "flask_answers_by",
    "make_rule",
    "process_of_flask",
    "report_to_flask",
    "urls_of_rule",
]

_SIGNALS = (
    signals.request_started,
    signals.request_finished,
    signals.request_tearing_down,
    signals.got_request_exception,
    signals.appcontext_pushed,
    signals.appcontext_popped,
    signals.appcontext_tearing_down,
)


_BUILT_IN = re.compile(r"/<any\(([^)]+)\):built_in>")
_SEGMENT = re.compile(r'"([^"]*)"')

# The key in an environ for the mount that has the URL, if Flask has found no rule.
_MOUNT = "flaskJSONRPCServer.mount"

# What an environ has and a head may lack.
_UNKNOWN_SERVER = {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SCRIPT_NAME": "", "QUERY_STRING": ""}

# The key in an environ that says that the pipeline has answered the request.
_ANSWERED = "flaskJSONRPCServer.answered"


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
        return self._pipeline.answer(received.head, received) or self._respond_built_in(received)

    def is_immediate(self, head: Environ) -> bool:
        """Return whether a request is for a built-in URL that is answered immediately."""
        return self._pipeline.is_immediate(head) and self._mount.has_built_in(head)

    def _answer_beside_flask(self, environ: Environ) -> Response | None:
        """Answer a request that need not or must not reach the application, though the application sees all others."""
        if self.is_immediate(environ):  # a hook that asks for a login must not make the server look dead
            return self._pipeline.answer_built_in(environ)
        return self._pipeline.wait_until_open(environ) if self._locks.closed else None

    def _built_in_of(self, head: Environ) -> FoundUrl | None:
        """Return the built-in URL of a request; None if there is none, or a page of the application has it."""
        found = self._pipeline.find_built_in(head)
        return None if found is None or not self._mount.has_built_in(head) else found

    def _respond_built_in(self, received: ReceivedRequest) -> Response | None:
        head = received.head
        found = self._built_in_of(head)
        if found is None:
            return None
        response = self._pipeline.answer_found(found, head, received)
        if type(response) is Response or not isinstance(response, AdmittedResponse):
            return response
        if response.stream is None:
            return Response(response.status, response.headers)
        response.stream.serve(received, response.status, response.headers)
        return None

    def _answer_built_in_or_page(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        found = self._built_in_of(environ)
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

    def refusal_headers(self, head: Environ) -> list[tuple[str, str]]:
        """Return the headers for the answer to an RPC request that the serving backend refuses."""
        return self._pipeline.refusal_headers(head)

    def _answer_of_flask(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return self._app(environ, start_response)
        except Exception:
            raise  # Flask propagates it if its settings say so, as in tests and under a debugger
        except BaseException as exc:  # Flask always propagates these, which would end the serving thread
            if is_interrupt(exc):
                raise
            return sent(self._pipeline.server_error(Request(environ)), environ, start_response)

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
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]


def sent_built_in(response: Response, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Start a WSGI response that may be a stream, and return its body."""
    if not isinstance(response, AdmittedResponse):
        return sent(response, environ, start_response)
    start_response(response.status, response.headers)
    return streamed_body(response, environ)


def streamed_body(response: AdmittedResponse, environ: Environ) -> Iterable[bytes]:
    """Return the body of a streamed answer, which has none for a HEAD request."""
    return iter(()) if response.stream is None else StreamedBody(response.stream, environ)


class CountedMap(Map):
    """A map that counts its changes.

    Attributes:
        changes: How often rules have been added.
    """

    changes = 0

    def add(self, rulefactory: RuleFactory) -> None:
        """See :meth:`werkzeug.routing.Map.add`."""
        super().add(rulefactory)
        self.changes += 1


def changes_of(url_map: Map) -> int:
    """Return a number that is another one after each change of a map."""
    return url_map.changes if isinstance(url_map, CountedMap) else operator.length_hint(url_map.iter_rules())


class DefaultFlask(flask.Flask):
    """The application that a server makes if the user passes none.

    It calls its mounts before and after a request directly. As registered hooks, they would send every RPC request
    through Flask.
    """

    url_map_class = CountedMap

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.mounts: list[FlaskMount] = []

    def preprocess_request(self) -> Any:
        """Explain refused requests, then run the hooks before a request."""
        for mount in self.mounts:
            mount.explain_refusal()
        return super().preprocess_request()

    def process_response(self, response: flask.Response) -> flask.Response:
        """Run the hooks after a request, then add CORS headers."""
        response = super().process_response(response)
        for mount in self.mounts:
            response = mount.with_cors(response)
        return response


class FlaskMount:
    """The RPC URLs in one Flask application.

    Args:
        app: The application.
        endpoint: The endpoint of all rules.
        pipeline: Returns the current pipeline.
        url_prefix: The prefix of each path, such as ``/v1``.
        built_in_urls: The URLs that the server answers itself. Those that come later are mounted by
            :meth:`mount_built_in`.
        is_in_use: Returns whether the server answers requests already.

    Raises:
        SettingsError: ``app`` is not a Flask application.
        RegistrationError: The application has a server with this endpoint already.
    """

    def __init__(
        self,
        app: flask.Flask,
        endpoint: str,
        pipeline: Callable[[], Pipeline],
        url_prefix: str = "",
        built_in_urls: Iterable[BuiltInUrl] = (),
        is_in_use: Callable[[], bool] = lambda: True,
    ) -> None:
        if not isinstance(app, flask.Flask):
            raise SettingsError(
                f"{app!r} is refused as an application: it takes a flask.Flask, and init_app() a flask.Blueprint too"
            )
        self.app = app
        self.paths: set[str] = set()
        self._endpoint = endpoint
        self._pipeline = pipeline
        self._prefix = checked_prefix(url_prefix)
        self._built_in_urls = built_in_urls
        self._is_in_use = is_in_use
        self._built_in_endpoint = f"{endpoint}_built_in"
        # What has been found in a map, and the number of its changes then.
        self._found_built_in: tuple[Map | None, int, dict[tuple[str, str], bool]] = (None, 0, {})
        self._path_of_rule: dict[str, str] = {}
        self._neighbours: dict[str, FlaskMount] = app.extensions.setdefault("flaskJSONRPCServer", {})
        if endpoint in self._neighbours:
            name = endpoint.removesuffix(".rpc")
            raise RegistrationError(f"{app!r} has a server {name!r} already; mount it once, or give the other a name=")
        self._neighbours[endpoint] = self
        app.view_functions[endpoint] = self._view
        app.view_functions[self._built_in_endpoint] = self._built_in_view
        self._hook_into(app)

    def mount(self, paths: Iterable[str]) -> None:
        """Add the missing rules of these paths.

        Raises:
            RegistrationError: Another server of the application has one of the paths.
        """
        missing = [path for path in paths if path not in self.paths]
        for path in missing:
            if any(mount.has_url(self._prefix + path) for mount in self._neighbours.values()):
                raise RegistrationError(f"path {path!r} of {self.app!r} belongs to another server; choose another path")
        rules = {path: rules_of(self._prefix + path, self._endpoint) for path in missing}
        self._add_rules([rule for of_path in rules.values() for rule in of_path])
        self._path_of_rule.update({rule.rule: path for path in missing for rule in rules[path]})
        if missing:
            self.mount_built_in(self._built_in_urls)
        self.paths.update(missing)

    def mount_built_in(self, built_in_urls: Iterable[BuiltInUrl]) -> None:
        """Add the rules of those built-in URLs that have none, neither of this server nor of another one."""
        rules = [rule for rule in self.app.url_map.iter_rules() if rule.endpoint != self._endpoint]
        known = {url for rule in rules for url in urls_of_rule(rule)}
        urls = [url for url in built_in_urls if f"{self._prefix}/{url.segment}" not in known]
        self._add_rules(built_in_rules(self._prefix, urls, self._built_in_endpoint))
        self._note_hidden(built_in_urls, rules)

    def _note_hidden(self, built_in_urls: Iterable[BuiltInUrl], rules: Iterable[Rule]) -> None:
        """Report the built-in URLs that other rules of the application have."""
        reporting = [url for url in built_in_urls if url.note_hidden is not None]
        if not reporting:
            return
        taken = {url for rule in rules if rule.endpoint != self._built_in_endpoint for url in urls_of_rule(rule)}
        for built_in in reporting:
            url = f"{self._prefix}/{built_in.segment}"
            if url in taken and built_in.note_hidden is not None:
                built_in.note_hidden(url)

    def _add_rules(self, rules: list[Rule]) -> None:
        add_rules(self.app, rules, in_use=self._is_in_use())

    def has_built_in(self, head: Environ) -> bool:
        """Return whether Flask finds the built-in URL of this mount by a request: pages at the same URL win.

        Call it for a request that is no RPC request. With methods on the path ``/``, Flask may find the rule of
        these methods first.

        Flask's search takes longer than many an answer, so its result is kept until the application has other rules.
        """
        url_map = self.app.url_map
        # Whether there is a rule may depend on more than method and path: on the Host, or on the end of a path.
        if "HTTP_UPGRADE" in head or url_map.host_matching:
            return self._finds_built_in(head)
        changes = changes_of(url_map)
        known_map, known_changes, known = self._found_built_in
        if known_map is not url_map or known_changes != changes:
            known = {}
            self._found_built_in = url_map, changes, known
        key = head["REQUEST_METHOD"], head["PATH_INFO"]
        found = known.get(key)
        if found is None:
            found = self._finds_built_in(head)
            if "/" not in key[1][1:]:
                known[key] = found
        return found

    def _finds_built_in(self, head: Environ) -> bool:
        try:
            endpoint, _ = self.app.url_map.bind_to_environ({**_UNKNOWN_SERVER, **head}).match()
        except HTTPException:
            return False
        return endpoint in (self._built_in_endpoint, self._endpoint)

    def has_url(self, path: str) -> bool:
        """Return whether this mount has a path, including its prefix."""
        return path.startswith(self._prefix) and path[len(self._prefix) :] in self.paths

    def unmount_others(self, paths: Iterable[str]) -> None:
        """Remove the rules of all paths but these."""
        gone = self.paths.difference(paths)
        urls = {rule for rule, path in self._path_of_rule.items() if path in gone}
        remove_rules(self.app, lambda rule: rule.endpoint == self._endpoint and rule.rule in urls)
        self.paths -= gone

    def explain_refusal(self) -> None:
        """Explain how to use an RPC URL if it does not accept the method of ``flask.request``.

        Call it before the request is dispatched.
        """
        request = current_request()
        refusal = request.routing_exception
        if not isinstance(refusal, MethodNotAllowed) or (match := self._own_rule(request, refusal)) is None:
            return
        rule, method = match
        request.environ[_MOUNT] = self
        path = self._path_of_rule[rule.rule]
        allowed = self._pipeline().allowed_methods(wsgi_encoded(path + (method or "")))
        if allowed:
            refusal.valid_methods = sorted(refusal.valid_methods or ())
            refusal.description = explanation(request.path, allowed)
        else:
            request.routing_exception = NotFound()

    def with_cors(self, response: flask.Response) -> flask.Response:
        """Add CORS headers to the answer to ``flask.request``, if it is for an RPC URL."""
        request = current_request()
        if _ANSWERED in request.environ:  # the pipeline has added the headers
            return response
        is_ours = request.endpoint == self._endpoint or request.environ.get(_MOUNT) is self
        if is_ours and "Access-Control-Allow-Origin" not in response.headers:
            headers = merged_headers(list(response.headers), self._pipeline().cors_headers(Request(request.environ)))
            response.headers = Headers(headers)
        return response

    def _hook_into(self, app: flask.Flask) -> None:
        if isinstance(app, DefaultFlask):
            app.mounts.append(self)
        else:
            app.before_request(self.explain_refusal)
            app.after_request(self.with_cors)

    def _own_rule(self, request: flask.Request, refusal: MethodNotAllowed) -> tuple[Rule, str | None] | None:
        """Return the rule for a URL with another HTTP method, and the name in the URL, if this mount has the rule."""
        adapter = self.app.create_url_adapter(request)
        if adapter is None:
            return None
        for http_method in refusal.valid_methods or ():
            with contextlib.suppress(HTTPException):  # a rule of the application may redirect to add a slash
                rule, values = adapter.match(method=http_method, return_rule=True)
                if rule.endpoint == self._endpoint:
                    return rule, values.get("method")
        return None

    def _view(self, method: str | None = None, **_: Any) -> flask.Response:
        pipeline, request = self._pipeline(), current_request()
        custom_view, environ = pipeline.steps.custom_view, request.environ
        if self._prefix and request.url_rule is not None:
            environ = environ_at(self._prefix, self._path_of_rule[request.url_rule.rule], method)
        target = None if custom_view is None else pipeline.find(environ)
        if custom_view is None or target is None:
            return answer_of_flask(pipeline, environ)
        endpoint, route = target
        return self.app.make_response(custom_view(endpoint.path, None if route is None else route.name))

    def _built_in_view(self, built_in: str, rest: str | None = None, **_: Any) -> flask.Response:
        request = current_request()
        path = built_in_path(built_in, rest, request.path)
        if "wsgi_app" in vars(self.app):
            request.environ[IS_WRAPPED] = True
        environ = environ_at(self._prefix, path, None) if self._prefix else request.environ
        response = self._pipeline().answer_built_in(environ, parsed=request)
        if response is None:
            raise NotFound
        request.environ[_ANSWERED] = True
        return flask_response(response)


def built_in_rules(prefix: str, urls: list[BuiltInUrl], endpoint: str) -> list[Rule]:
    """Return the rules of built-in URLs, one for all that take the same methods: each costs every server some time.

    They have converters, so that a page of the application at the same URL wins, even if it is added later.
    """
    by_methods: dict[tuple[str, ...], list[str]] = {}
    for url in urls:
        by_methods.setdefault(url.methods, []).append(url.segment)
    rules = [make_rule(f"{prefix}{any_of(segments)}", endpoint, methods) for methods, segments in by_methods.items()]
    for url in urls:
        if url.has_children:
            rule = f"{prefix}{any_of([url.segment])}/"
            rules += [make_rule(f"{rule}{rest}", endpoint, url.methods) for rest in ("<path:rest>", "")]
    return rules


def built_in_path(segment: str, rest: str | None, url: str) -> str:
    """Return the path below the mount of a built-in URL, with the slash at the end that the URL has."""
    if rest is not None:
        return f"/{segment}/{rest}"
    return f"/{segment}/" if segment and url.endswith("/") else f"/{segment}"


def any_of(segments: list[str]) -> str:
    names = ",".join(f'"{segment}"' for segment in segments)
    return f"/<any({names}):built_in>"


def urls_of_rule(rule: Rule) -> list[str]:
    """Return the URLs of a rule as users know them: that of built-in URLs has several."""
    match = _BUILT_IN.search(rule.rule)
    if match is None:
        return [rule.rule]
    before, after = rule.rule[: match.start()], rule.rule[match.end() :]
    return [f"{before}/{segment}{after}" for segment in _SEGMENT.findall(match[1])]


def checked_prefix(url_prefix: str) -> str:
    """Return the prefix without a trailing slash.

    Raises:
        SettingsError: The prefix does not begin with a slash.
    """
    if not isinstance(url_prefix, str) or (url_prefix and not url_prefix.startswith("/")):
        raise SettingsError(f"url_prefix={url_prefix!r} is refused: it takes a string such as '/v1'")
    return url_prefix.rstrip("/")


def explanation(path: str, allowed: Collection[str]) -> str:
    """Return the explanation for an HTTP method that an RPC URL does not accept."""
    if "POST" not in allowed:
        return "The URL of a method takes GET; POST JSON-RPC requests to the path before it."
    return (
        'This URL takes JSON-RPC 2.0. POST a request such as {"jsonrpc": "2.0", "method": "...", "params": [], "id": 1}'
        f" to it, with Content-Type application/json. By GET a method is called at {path.rstrip('/')}/<method>."
    )


def current_request() -> flask.Request:
    # The request itself and not the proxy: a dispatcher may keep it after the context has ended.
    request: flask.Request = cast("LocalProxy[flask.Request]", flask.request)._get_current_object()
    return request


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
    response = pipeline.answer(environ, parsed=request) or pipeline.answer_built_in(environ, parsed=request)
    if response is None:
        refuse(pipeline, environ)
    request.environ[_ANSWERED] = True
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


def report_to_flask(exc: BaseException) -> bool:
    """Report an unexpected exception to Flask, and return whether Flask propagates it.

    Flask propagates it if ``PROPAGATE_EXCEPTIONS``, ``TESTING`` or ``DEBUG`` is set, and sends its signal itself then.
    """
    if not flask.has_request_context():
        return False
    app: flask.Flask = cast("LocalProxy[flask.Flask]", flask.current_app)._get_current_object()
    propagates = app.config["PROPAGATE_EXCEPTIONS"]
    if app.testing or app.debug if propagates is None else propagates:
        return True
    signals.got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=exc)
    return False


def rules_of(path: str, endpoint: str) -> list[Rule]:
    """Return the Flask rules of a formatted path: ``/api/<method>/``, ``/api/<method>``, ``/api/`` and ``/api``."""
    method_urls = [make_rule(f"{path}<method>{end}", endpoint, METHOD_URL_METHODS) for end in ("/", "")]
    return method_urls + [make_rule(rule, endpoint, PATH_METHODS) for rule in (path, path.rstrip("/")) if rule]


def make_rule(rule: str, endpoint: str, methods: Collection[str] | None) -> Rule:
    """Return a rule for an endpoint. It matches a trailing slash only if the rule has one."""
    return Rule(rule, endpoint=endpoint, methods=methods, strict_slashes=False)


def add_rules(app: flask.Flask, rules: list[Rule], *, in_use: bool) -> None:
    """Add rules to an application.

    Args:
        app: The application.
        rules: The rules.
        in_use: Whether requests may be matched meanwhile.
    """
    if not rules:
        return
    if in_use or app._got_first_request:  # Werkzeug does not allow changing a map while it is matched
        app.url_map = map_of(app.url_map, [*app.url_map.iter_rules(), *rules])
    else:  # as Flask itself adds rules until then: a new map would compile all rules again
        for rule in rules:
            app.url_map.add(rule)


def remove_rules(app: flask.Flask, is_removed: Callable[[Rule], bool]) -> None:
    """Remove rules from an application, even while it serves."""
    remaining = [rule for rule in app.url_map.iter_rules() if not is_removed(rule)]
    if len(remaining) < len(list(app.url_map.iter_rules())):
        app.url_map = map_of(app.url_map, remaining)


def map_of(url_map: Map, rules: list[Rule]) -> Map:
    """Return a copy of a map with other rules."""
    return type(url_map)(
        map(unbound, rules),
        default_subdomain=url_map.default_subdomain,
        strict_slashes=url_map.strict_slashes,
        merge_slashes=url_map.merge_slashes,
        redirect_defaults=url_map.redirect_defaults,
        sort_parameters=url_map.sort_parameters,
        sort_key=url_map.sort_key,
        host_matching=url_map.host_matching,
        converters=url_map.converters,
    )


def unbound(rule: Rule) -> Rule:
    """Return a copy of a rule for another map. ``Rule.empty()`` would lose attributes of extensions."""
    rule_copy = copy.copy(rule)
    rule_copy.map = None  # type: ignore[assignment]
    return rule_copy


def flask_response(response: Response) -> flask.Response:
    """Return the answer as an object of the response class of the current application."""
    if isinstance(response, AdmittedResponse):
        body = streamed_body(response, current_request().environ)
        # Passed through: Flask must not collect it, and `native` can take it as a stream.
        return flask.current_app.response_class(
            body, status=response.status, headers=response.headers, direct_passthrough=True
        )
    answer = flask.current_app.response_class(response.body, status=response.status, headers=response.headers)
    if not response.body:
        answer.headers.remove("Content-Type")  # Werkzeug's default, which an answer without a body must not have
    return answer
