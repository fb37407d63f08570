"""The URLs of a server in one Flask application."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import flask
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from ..dispatch.built_in import BuiltInUrl, BuiltInUrls, FoundUrl
from ..dispatch.pipeline import Pipeline
from ..dispatch.routes import wsgi_encoded
from ..errors import RegistrationError, SettingsError
from ..http.request import IS_WRAPPED, Environ, Request
from ..http.response import merged_headers
from .answers import ANSWERED, answer_of_flask, current_request, environ_at, explanation, flask_response
from .rules import (
    CountedMap,
    add_rules,
    built_in_path,
    built_in_rules,
    changes_of,
    remove_rules,
    rules_of,
    urls_of_rule,
)

__all__ = ["DefaultFlask", "FlaskMount", "checked_prefix"]

# The key in an environ for the mount that has the URL, if Flask has found no rule.
_MOUNT = "flaskJSONRPCServer.mount"

# What an environ has and a head may lack.
_UNKNOWN_SERVER = {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SCRIPT_NAME": "", "QUERY_STRING": ""}


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
        built_in_urls: BuiltInUrls | None = None,
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
        self._built_in_urls = BuiltInUrls() if built_in_urls is None else built_in_urls
        self._is_in_use = is_in_use
        self._built_in_endpoint = f"{endpoint}_built_in"
        # What has been found in a map, and the number of its changes then.
        self._found_built_in: tuple[Map | None, int, dict[tuple[str, str], FoundUrl | None]] = (None, 0, {})
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

    def find_built_in(self, head: Environ) -> FoundUrl | None:
        """Return the built-in URL of a request, if Flask finds it by the request: pages at the same URL win.

        Call it for a request that is no RPC request. With methods on the path ``/``, Flask may find the rule of
        these methods first.

        Flask's search takes longer than many an answer, so what it finds is kept until the application has other rules.
        """
        url_map = self.app.url_map
        known_map, known_changes, known = self._found_built_in
        # changes_of(), without the cost of its call for the map of most servers.
        changes = url_map.changes if type(url_map) is CountedMap else changes_of(url_map)
        if known_map is url_map and known_changes == changes and "HTTP_UPGRADE" not in head:
            try:
                return known[head["REQUEST_METHOD"], head["PATH_INFO"]]
            except KeyError:  # a URL that nobody has asked for, or that is not built in
                pass
        return self._search_built_in(head)

    def _search_built_in(self, head: Environ) -> FoundUrl | None:
        """Return the result of :meth:`find_built_in`, which is kept if method and path alone decide about it."""
        url = self._built_in_urls.find_for(head)
        if url is None:
            return None
        url_map = self.app.url_map
        changes = changes_of(url_map)  # before the search, during which it may change
        found = url if self._finds_built_in(head) else None
        # Whether there is a rule may depend on more: on the Host, or on the end of a path.
        if "HTTP_UPGRADE" not in head and not url_map.host_matching and not url[1]:
            known_map, known_changes, known = self._found_built_in
            if known_map is not url_map or known_changes != changes:
                known = {}
                self._found_built_in = url_map, changes, known
            known[head["REQUEST_METHOD"], head["PATH_INFO"]] = found
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
        if ANSWERED in request.environ:  # the pipeline has added the headers
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
        request.environ[ANSWERED] = True
        return flask_response(response)


def checked_prefix(url_prefix: str) -> str:
    """Return the prefix without a trailing slash.

    Raises:
        SettingsError: The prefix does not begin with a slash.
    """
    if not isinstance(url_prefix, str) or (url_prefix and not url_prefix.startswith("/")):
        raise SettingsError(f"url_prefix={url_prefix!r} is refused: it takes a string such as '/v1'")
    return url_prefix.rstrip("/")
