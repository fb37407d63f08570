"""The Flask applications that one server is mounted on: the one that it serves, and those of other programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import flask

from ..dispatch.built_in import BuiltInUrl, BuiltInUrls
from ..dispatch.pipeline import Pipeline
from ..dispatch.routes import Router
from ..errors import RegistrationError, ServerStateError
from .mount import DefaultFlask, FlaskMount, checked_prefix
from .rules import add_rules, make_rule, urls_of_rule

if TYPE_CHECKING:
    from flask.sansio.blueprints import BlueprintSetupState

__all__ = ["FlaskMounts"]


class FlaskMounts:
    """Mounts the URLs of a server on Flask applications.

    Args:
        name: The name of the server.
        router: The methods.
        built_in_urls: The URLs of the server's own.
        pipeline: Returns the pipeline.
        is_in_use: Returns whether requests may come already.

    Attributes:
        app: The application that the server serves: everything but RPC.
        is_app_users: Whether the user has assigned it.
    """

    def __init__(
        self,
        name: str,
        router: Router,
        built_in_urls: BuiltInUrls,
        pipeline: Callable[[], Pipeline],
        is_in_use: Callable[[], bool],
    ) -> None:
        self._name = name
        self._router = router
        self._built_in_urls = built_in_urls
        self._pipeline = pipeline
        self._is_in_use = is_in_use
        built_in_urls.before_add(self._mount_built_in)
        self.app: flask.Flask = DefaultFlask(name)
        self.is_app_users = False
        self._mounts = [self._mounted_on(self.app)]

    @property
    def served(self) -> FlaskMount:
        """The mount on the application that the server serves."""
        return self._mounts[0]

    def use_app(self, app: flask.Flask) -> None:
        """Mount the URLs on the user's application, and serve it.

        Raises:
            SettingsError: It is not a Flask application.
            ServerStateError: The server is in use already.
        """
        if self._is_in_use():
            raise ServerStateError("flaskApp cannot change while the server is in use; assign it before start()")
        self._mounts[0] = self._mounted_on(app)
        self.app, self.is_app_users = app, True

    def mount(self, app: flask.Flask | flask.Blueprint, url_prefix: str) -> None:
        """Mount the URLs on an application with a server of its own, or on every application of a blueprint.

        Raises:
            SettingsError: It is neither.
            RegistrationError: Another server has one of the paths there, or this server is mounted there already.
            ServerStateError: The blueprint is registered already.
        """
        if isinstance(app, flask.Blueprint):
            try:
                app.record(lambda state: self._mounts.append(self._mounted_by(state, url_prefix)))
            except AssertionError as exc:  # Flask raises it for a blueprint that is registered already
                raise ServerStateError(f"{app!r} is registered already; call init_app() before that") from exc
        else:
            self._mounts.append(self._mounted_on(app, url_prefix))

    def add_pages(self, views: Mapping[str, Callable[..., Any]], methods: Collection[str]) -> None:
        """Add URLs with their view functions to the served application."""
        self.app.view_functions.update({f"{self._name}{url}": view for url, view in views.items()})
        rules = [make_rule(url, f"{self._name}{url}", methods) for url in views]
        add_rules(self.app, rules, in_use=self._is_in_use())

    def has_pages(self) -> bool:
        """Return whether the served application is the user's, or has a page."""
        return self.is_app_users or any(rule.endpoint != "static" for rule in self.app.url_map.iter_rules())

    def users_app(self) -> flask.Flask | None:
        """Return the user's application: the first one of ``init_app()``, or that of ``flaskApp``; None without one."""
        mounted = [mount.app for mount in self._mounts[1:]]
        return mounted[0] if mounted else self.app if self.is_app_users else None

    def urls(self) -> list[str]:
        """Return the rules of the served application."""
        return [url for rule in self.app.url_map.iter_rules() for url in urls_of_rule(rule)]

    def add_paths(self, paths: Iterable[str]) -> None:
        """Mount paths on all applications.

        Raises:
            RegistrationError: One of the paths belongs to another server, or to a built-in URL that has been added.
        """
        paths = list(paths)
        for url in self._built_in_urls.added:
            refuse_common(url, paths)
        for mount in self._mounts:
            mount.mount(paths)

    def remove_other_paths(self, paths: Iterable[str]) -> None:
        """Unmount all paths but these."""
        for mount in self._mounts:
            mount.unmount_others(paths)

    def _mount_built_in(self, url: BuiltInUrl) -> None:
        refuse_common(url, self._router.table.paths())
        for mount in self._mounts:
            mount.mount_built_in([url])

    def _mounted_by(self, state: BlueprintSetupState, url_prefix: str) -> FlaskMount:
        prefix = (state.url_prefix or "").rstrip("/") + checked_prefix(url_prefix)
        blueprint = f"{state.name_prefix}.{state.name}".lstrip(".")
        app = cast("flask.Flask", state.app)  # a Flask blueprint has a Flask application
        return self._mounted_on(app, prefix, f"{blueprint}.rpc")  # Flask finds the blueprint's hooks by the endpoint

    def _mounted_on(self, app: flask.Flask, url_prefix: str = "", endpoint: str = "") -> FlaskMount:
        mount = FlaskMount(
            app, endpoint or f"{self._name}.rpc", self._pipeline, url_prefix, self._built_in_urls, self._is_in_use
        )
        mount.mount(self._router.table.paths())
        mount.mount_built_in(self._built_in_urls.added)
        return mount


def refuse_common(url: BuiltInUrl, paths: Iterable[str]) -> None:
    """Check that no path of methods is one of a built-in URL.

    Raises:
        RegistrationError: One is.
    """
    for path in filter(url.has_path, paths):
        raise RegistrationError(f"{path} cannot have methods and be a URL of the server itself; choose another one")
