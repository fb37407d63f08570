"""The server, as its users see it."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

import flask

from .configuration import configured_by, current_configuration, read
from .contract.options import MethodOptions, RegistrationKeywords, Visible
from .contract.tool_options import Tool
from .dispatch.backend_context import BackendContext
from .dispatch.locks import optional_lock_key
from .dispatch.middleware import Middleware
from .documented import DocumentedHelpers
from .engine import Engine
from .lifecycle import Lifecycle
from .reloading import Reloader
from .removed_names import remedy_for_attribute
from .runtime.asynchronous import call_async
from .runtime.logs import WARNING, ServerLog
from .runtime.parent import in_parent_only
from .runtime.patching import patch
from .settings import Auth, Options, Settings
from .wsgi import Application

if TYPE_CHECKING:
    from ssl import SSLContext

    from typing_extensions import Self, Unpack

    from .mcp.authorization import Authorization
    from .mcp.public import McpEndpoint
    from .settings import BindAdress

__all__ = ["flaskJSONRPCServer"]

Dispatcher = Callable[..., Any]
_P = ParamSpec("_P")
_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")
_Middleware = TypeVar("_Middleware", bound=Middleware)


def suggest_names(init: Callable[_P, None]) -> Callable[_P, None]:
    """Wrap the constructor to suggest a name for a misspelt option; Python would only miss ``bindAdress``."""

    @functools.wraps(init)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> None:
        if len(args) == 1 and "bindAdress" not in kwargs:
            Settings.refuse_unknown(kwargs)
        init(*args, **kwargs)

    return checked


def complete_options(init: Callable[_P, None]) -> Callable[_P, None]:
    """Wrap the constructor to add the options of the environment and of a file, where these are read."""
    names = list(inspect.signature(init).parameters)

    @functools.wraps(init)
    def completed(*args: _P.args, **kwargs: _P.kwargs) -> None:
        configuration = current_configuration()
        if configuration is None:
            init(*args, **kwargs)
            return
        passed: dict[str, Any] = {**dict(zip(names[1:], args[1:], strict=False)), **kwargs}
        with configuration.named(passed):
            cast("Callable[..., None]", init)(args[0], **configuration.completed(passed))

    return completed


def record_fallback(init: Callable[_P, None]) -> Callable[_P, None]:
    """Wrap the constructor to record whether ``fallback`` was passed, which its default would hide."""
    position = list(inspect.signature(init).parameters).index("fallback")

    @functools.wraps(init)
    def recorded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        init(*args, **kwargs)
        if "fallback" in kwargs or len(args) > position:
            server = cast("flaskJSONRPCServer", args[0])
            server.settings.mark_fallback_explicit()

    return recorded


class flaskJSONRPCServer(DocumentedHelpers):
    """A JSON-RPC 2.0 server over HTTP.

    >>> server = flaskJSONRPCServer(["127.0.0.1", 8080])
    >>> @server.method("/api")
    ... def echo(text: str) -> str:
    ...     return text
    >>> server.serveForever()  # doctest: +SKIP

    Args:
        bindAdress: ``[ip, port]``; port 0 lets the system choose. The path of a Unix socket, also as
            ``(path, socket)``. A listening socket. None for a server that is only mounted.
        multipleAdress: ``bindAdress`` is a list of addresses, and the server listens on all of them.
        blocking: Process one request at a time.
        cors: True: pages of every origin may read the answers. A dict names ``origin``, ``methods``, ``headers``,
            ``credentials`` and ``maxAge``.
        gevent: Let gevent patch the process, and serve in greenlets; see :doc:`gevent`. Needs the extra ``gevent``.
        debug: Log the messages of the serving backend, and show clients the traceback of unexpected exceptions.
        log: 0 (critical only), 1 (error), 2 (warning), 3 (info), 4 (debug), or False for critical only.
        fallback: Answer GET: JSONP with a callback, plain JSON without. Where only this machine can reach the server,
            pages of other origins are answered only if True is passed here or at the registration.
        allowCompress: Compress answers for clients that accept gzip.
        ssl: ``[key file, certificate file]``, PEM files in this order, or an ``ssl.SSLContext``: serve with TLS.
        tweakDescriptors: ``[soft, hard]`` limit of open files to which ``start()`` raises the process; False leaves it.
        compressMinSize: Answers up to this size, in bytes, are never compressed.
        jsonBackend: The name of the module that reads and writes JSON (``simplejson``, ``json``, ``orjson``,
            ``msgspec``, ``rapidjson``), or an object with ``loads`` and ``dumps``. A missing module is replaced by
            ``json``, with a warning.
        notifBackend: The exec backend for notifications: ``'simple'`` (in the serving thread), ``'threaded'``,
            ``'threadedNative'``, ``'parallel'``, ``'celery'``, or one of your own.
        dispatcherBackend: The exec backend for calls, as with ``notifBackend``.
        auth: ``auth(server, path, request, method)``, called for every request before its body is read. The request is
            admitted only if it returns exactly True.
        experimental: Read, write, compress and hash large payloads beside the other requests, so that these do not
            stall.
        controlGC: Replace automatic garbage collection while the server runs: collect after a time, or a number of
            requests, calls or objects.
        magicVarForDispatcher: The name of the parameter that receives the connection of a call.
        name: The name of the server and of its logger; None generates one.
        servBackend: The backend that speaks HTTP: ``'native'``; ``'pywsgi'`` with ``gevent=True``; ``'auto'`` for
            whichever of these two fits; ``'werkzeug'`` for development; ``'granian'`` behind a proxy; or one of yours.
        **options: Any further option of :class:`~flaskJSONRPCServer.settings.Settings`.

    Raises:
        SettingsError: An option is unknown or has a value that it cannot have.
        UnsupportedError: This version does not have a documented option, or the serving backend cannot serve with
            gevent, or without it.
        MissingExtraError: ``gevent=True``, and gevent is not installed.
    """

    @complete_options
    @suggest_names
    @record_fallback
    def __init__(
        self,
        bindAdress: BindAdress,
        multipleAdress: bool = False,
        blocking: bool = False,
        cors: bool | Mapping[str, Any] = False,
        gevent: bool = False,
        debug: bool = False,
        log: int | bool = 3,
        fallback: bool = True,
        allowCompress: bool = False,
        ssl: Sequence[str] | SSLContext | bool = False,
        tweakDescriptors: Sequence[int] | bool = (65536, 65536),
        compressMinSize: int = 2 * 1024 * 1024,
        jsonBackend: Any = "simplejson",
        notifBackend: Any = "simple",
        dispatcherBackend: Any = "simple",
        auth: Auth | None = None,
        experimental: bool = False,
        controlGC: bool = True,
        magicVarForDispatcher: str = "_connection",
        name: str | None = None,
        servBackend: Any = "auto",
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        Settings.refuse_unknown(options)
        self.settings = Settings(
            bindAdress=bindAdress,
            multipleAdress=multipleAdress,
            blocking=blocking,
            cors=cors,
            gevent=gevent,
            debug=debug,
            log=log,
            fallback=fallback,
            allowCompress=allowCompress,
            ssl=ssl,
            tweakDescriptors=tweakDescriptors,
            compressMinSize=compressMinSize,
            jsonBackend=jsonBackend,
            notifBackend=notifBackend,
            dispatcherBackend=dispatcherBackend,
            auth=auth,
            experimental=experimental,
            controlGC=controlGC,
            magicVarForDispatcher=magicVarForDispatcher,
            name=name,
            servBackend=servBackend,
            **options,
        )
        early = patch() if self.settings.gevent else []  # before the server makes any lock or thread
        self._engine = Engine(self.settings, self, DocumentedHelpers)
        for warning in early:
            self._engine.log.write(WARNING, warning)
        self._lifecycle = Lifecycle(self._engine, self)
        self._reloader = Reloader(self._engine, self)

    if not TYPE_CHECKING:  # a type checker would accept every name

        def __getattr__(self, name: str) -> Any:
            remedy = remedy_for_attribute(name)
            if remedy is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise AttributeError(f"{name!r} is gone: {remedy}")

    @classmethod
    def fromConfig(cls, file: str | os.PathLike[str] | None = None, **options: Any) -> Self:
        """Make a server with the settings of a TOML file and of the environment.

        Options that are passed come first, then the environment variables ``FJRPC_<SETTING>``, then the file, then the
        defaults.

        Args:
            file: The file, whose keys are names of settings; None for the environment alone.
            **options: As with the constructor.

        Raises:
            SettingsError: A name is unknown, or a value invalid. The message names the variable, or the key and the
                file.
        """
        with configured_by(read(file)):
            return cls(options.pop("bindAdress", None), **options)

    @property
    def name(self) -> str:
        """The server's name."""
        return self._engine.name

    @property
    def log(self) -> ServerLog:
        """The server's log."""
        return self._engine.log

    @property
    def _backend_context(self) -> BackendContext:
        """The parts of the server that the exec backends of the package work with."""
        return self._engine.backend_context

    @property
    def addresses(self) -> list[Any]:
        """The addresses that clients connect to; empty while the server does not run.

        Each is ``(ip, port)``, with the real port for port 0, or the path of a Unix socket.
        """
        return self._lifecycle.addresses

    @property
    def urls(self) -> list[str]:
        """The URLs of the addresses, for clients on this machine; empty while the server does not run.

        Each ends with a slash, which the path of the methods follows: `f"{server.urls[0]}api"`. That of a Unix socket
        is `http+unix://` and its path, percent-encoded.
        """
        return self._lifecycle.client_urls

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """The address of the setting ``metrics_address`` with the real port; None while it is not served."""
        address: tuple[str, int] | None = self._lifecycle.metrics_address
        return address

    @property
    def flaskApp(self) -> flask.Flask:
        """The Flask application for all URLs that are not RPC. Assign another one before ``start()``."""
        return self._engine.mounts.app

    @flaskApp.setter
    def flaskApp(self, app: flask.Flask) -> None:
        self._engine.mounts.use_app(app)

    @property
    def celery(self) -> Any:
        """The Celery application of the exec backend ``celery``, for its workers.

        Raises:
            ServerStateError: The server has no such backend.
        """
        return self._engine.exec_backends.celery_app()

    def getWSGI(self) -> Application:
        """Return the WSGI callable, for any WSGI server."""
        return self._engine.application()

    def init_app(self, app: flask.Flask | flask.Blueprint, url_prefix: str = "") -> None:
        """Mount the RPC URLs, later ones included, on a Flask application with a WSGI server of its own.

        Args:
            app: The application. Or a blueprint: every application that registers it has the URLs, below the
                blueprint's ``url_prefix`` and with its hooks.
            url_prefix: The prefix of each path, such as ``/v1``.

        Raises:
            SettingsError: ``app`` is neither, or the prefix does not begin with a slash.
            RegistrationError: Another server has one of the paths there, or this one is mounted there already.
        """
        self._engine.mounts.mount(app, url_prefix)

    @in_parent_only
    def registerFunction(
        self,
        dispatcher: _F,
        path: str = "",
        fallback: bool | str | None = None,
        name: str | None = None,
        dispatcherBackend: Any = None,
        notifBackend: Any = None,
        *,
        rateLimit: str | Sequence[str] | None = None,
        timeout: float | None = None,
        validate: bool | None = None,
        validateResult: bool | None = None,
        title: str | None = None,
        tags: Sequence[str] | None = None,
        deprecated: bool | None = None,
        examples: Sequence[Mapping[str, Any]] | None = None,
        visible: Visible | None = None,
        notification: bool | None = None,
        idempotent: bool | None = None,
        mcp: bool | Tool | None = None,
    ) -> _F:
        """Make a function callable.

        An attribute ``_alias`` of the function, a string or a list of strings, adds names. Parameters with type hints
        are checked and converted before each call.

        Args:
            dispatcher: Any callable except a class or a generator function. A coroutine function runs on the event loop
                of the server.
            path: The path prefix of its URL: ``/api`` is answered on ``/api`` and ``/api/``.
            fallback: Whether it answers GET; a string is the JSONP output format, with ``%(callback)s`` and
                ``%(data)s``. Pages of other origins are then answered too. None: the server's ``fallback``.
            name: Its name in requests; None: ``__name__``.
            dispatcherBackend: Where its calls run; None: the server's ``dispatcherBackend``.
            notifBackend: Where its notifications run; None: the server's ``notifBackend``.
            rateLimit: How often each client may call it, such as ``'5/minute'``, or a list of limits. They apply
                besides the server's ``rateLimit``. Needs the extra ``limits``.
            timeout: How long a call may take, in seconds from the arrival of its request; then the client gets the
                error -32006. None: the server's ``timeout``; ``math.inf``: no limit.
            validate: Whether parameters are checked against their hints; None: the server's ``validate``.
            validateResult: Whether the result is checked against its hint; None: the server's ``validateResult``.
            title: A title for people.
            tags: Words to group methods by.
            deprecated: Whether callers should move away from it; None: whether the docstring says so.
            examples: Calls with their results, each a dict of ``params``, ``result``, and optionally ``name``,
                ``summary`` and ``description``. See :meth:`checkExamples`.
            visible: Whether the documents show it: True, False, or a function of the caller's request.
            notification: Whether callers send it as a notification only; the documents then show no result.
            idempotent: Whether a second call with the same parameters changes nothing; the documents then tell clients
                that they may try again.
            mcp: Whether it is a tool of the Model Context Protocol; a :class:`~flaskJSONRPCServer.mcp.Tool` also says
                how it is shown there.

        Returns:
            The function itself.

        Raises:
            MissingExtraError: ``rateLimit`` is given, and ``limits`` is not installed.
            RegistrationError: It cannot be registered; the message says why.
        """
        options = MethodOptions.read(
            validate=validate,
            validateResult=validateResult,
            title=title,
            tags=tags,
            deprecated=deprecated,
            examples=examples,
            visible=visible,
            notification=notification,
            idempotent=idempotent,
            mcp=mcp,
        )
        routes = self._engine.registrar.function_routes(
            dispatcher, path=path, fallback=fallback, name=name, rate_limit=rateLimit, options=options
        )
        self._engine.register(routes, dispatcherBackend, notifBackend, timeout)
        return dispatcher

    @overload
    def method(self, path: _F) -> _F: ...

    @overload
    def method(self, path: str = "", **options: Unpack[RegistrationKeywords]) -> Callable[[_F], _F]: ...

    def method(self, path: Any = "", **options: Any) -> Any:
        """Decorate a function to register it: ``@server.method("/api", name="add")``, or ``@server.method`` alone.

        Args:
            path: The path prefix of its URL.
            **options: As with :meth:`registerFunction`.

        Raises:
            MissingExtraError, RegistrationError: As :meth:`registerFunction`.
        """
        if callable(path):
            return self.registerFunction(path)
        return functools.partial(self.registerFunction, path=path, **options)

    @in_parent_only
    def registerInstance(
        self,
        dispatcher: _T,
        path: str = "",
        fallback: bool | str | None = None,
        dispatcherBackend: Any = None,
        notifBackend: Any = None,
        *,
        rateLimit: str | Sequence[str] | None = None,
        timeout: float | None = None,
        validate: bool | None = None,
        validateResult: bool | None = None,
        tags: Sequence[str] | None = None,
        deprecated: bool | None = None,
        visible: Visible | None = None,
        idempotent: bool | None = None,
        mcp: bool | Tool | None = None,
    ) -> _T:
        """Make the public methods of an object callable.

        The decorator :func:`~flaskJSONRPCServer.rpc` sets the names and options of single methods.

        Args:
            dispatcher: The object. Underscore names, properties, classes, and members of ``object`` are left out.
            path: The path prefix of their URLs.
            fallback: Whether they answer GET, as with :meth:`registerFunction`.
            dispatcherBackend: Where their calls run; None: the server's ``dispatcherBackend``.
            notifBackend: Where their notifications run; None: the server's ``notifBackend``.
            rateLimit: How often each client may call each of them, as with :meth:`registerFunction`.
            timeout: How long a call may take, as with :meth:`registerFunction`.
            validate: Whether parameters are checked against their hints; None: the server's ``validate``.
            validateResult: Whether results are checked against their hints; None: the server's ``validateResult``.
            tags: Words to group methods by.
            deprecated: Whether callers should move away from them.
            visible: Whether the documents show them, as with :meth:`registerFunction`.
            idempotent: Whether a second call of any of them changes nothing, as with :meth:`registerFunction`.
            mcp: Whether each of them is a tool, as with :meth:`registerFunction`; a ``Tool`` has no ``name`` here.

        Returns:
            The object itself.

        Raises:
            MissingExtraError: ``rateLimit`` is given, and ``limits`` is not installed.
            RegistrationError: It has no public methods, or one of them cannot be registered.
        """
        options = MethodOptions.read(
            validate=validate,
            validateResult=validateResult,
            tags=tags,
            deprecated=deprecated,
            visible=visible,
            idempotent=idempotent,
            mcp=mcp,
        )
        routes = self._engine.registrar.instance_routes(
            dispatcher, path=path, fallback=fallback, rate_limit=rateLimit, options=options
        )
        self._engine.register(routes, dispatcherBackend, notifBackend, timeout)
        return dispatcher

    @in_parent_only
    def openrpc(self, path: str | None = None, url: str = "") -> dict[str, Any]:
        """Return an OpenRPC 1.4.1 document of the registered methods.

        Args:
            path: The path whose methods it has; None for those of all paths, each with its URL.
            url: The URL of the server, which those of the methods begin with.

        Raises:
            RegistrationError: Nothing is registered on the path.
        """
        return self._engine.openrpc(path, url)

    @in_parent_only
    def checkExamples(self) -> int:
        """Call all methods with the examples of their registrations, and compare the results; for your tests.

        The calls run in this thread, without ``auth``. Their parameters are checked, and results are compared as JSON.

        Returns:
            The number of examples.

        Raises:
            ExampleError: Some results differ, or some calls fail. The message lists all of them.
        """
        return self._engine.check_examples()

    @in_parent_only
    def mcp(
        self,
        path: str = "/mcp",
        expose: Iterable[str | Callable[..., Any]] | None = None,
        *,
        name: str | None = None,
        title: str | None = None,
        version: str | None = None,
        description: str | None = None,
        website: str | None = None,
        icons: Sequence[Mapping[str, Any]] = (),
        instructions: str = "",
        page_size: int = 100,
        ttl: float = 0,
        authorization: Authorization | None = None,
        task_ttl: float = 3600,
        task_poll_interval: float = 1,
    ) -> McpEndpoint:
        """Offer methods to language models, by the Model Context Protocol.

        Args:
            path: The path of the endpoint, with one segment.
            expose: The methods that are its tools: paths, URLs of methods such as ``/api/add``, and registered
                functions. None for all methods that were registered with ``mcp``.
            name: The name of the server, for programs; None for that of the server.
            title: Its name, for people.
            version: Its version; None for that of this package.
            description: What it is.
            website: The URL of its site, of http or https.
            icons: Its icons, each a dict with ``src``, a URL of http, https or data, and optionally ``mimeType``,
                ``sizes`` and ``theme``.
            instructions: What a model should know about the tools together.
            page_size: The most items on a page of a list.
            ttl: How long clients may keep lists, in seconds; 0 for not at all.
            authorization: Who issues the access tokens of OAuth, and how they are checked. The tokens are asked for in
                the place of ``auth``.
            task_ttl: How long a task and its result are kept from its creation, in seconds. A call that still runs
                then is cancelled.
            task_poll_interval: How long a client waits before it asks about a task again, in seconds.

        Returns:
            The endpoint, to which resources and prompts are added.

        Raises:
            RegistrationError: The path is taken or has several segments, or an option has an invalid value.
        """
        options = {"name": name, "title": title, "version": version, "description": description, "website": website}
        further = {"icons": icons, "instructions": instructions, "page_size": page_size, "ttl": ttl}
        further.update(authorization=authorization, task_ttl=task_ttl, task_poll_interval=task_poll_interval)
        return self._engine.services.mcp_endpoints().open(path, expose=expose, **options, **further)

    @in_parent_only
    def addReadinessCheck(self, check: _F, name: str | None = None) -> _F:
        """Let ``/readyz`` answer 503 while a check fails: because of a database that is gone, or a cache that is cold.

        It runs in a thread of its own, at most once a second and only while someone asks. ``/readyz`` waits for it half
        a second, and then goes by its last outcome; if it runs for more than 5 seconds, it fails until it ends.

        Args:
            check: A function without parameters, or a coroutine function. It fails if it raises, or returns something
                false other than None.
            name: Its name in the answer; None for that of the function, or of the class of a callable object.

        Returns:
            The function itself, so that this is a decorator.

        Raises:
            RegistrationError: It is no function, or its name is invalid or taken. A lambda has no name of its own.
        """
        self._engine.add_readiness_check(check, name)
        return check

    @in_parent_only
    def use(self, middleware: _Middleware, path: str | None = None) -> _Middleware:
        """Run calls through a middleware; also a decorator.

        ``middleware(call, proceed)`` runs in the place of each call of a registered method, and returns its result. It
        gets the :class:`~flaskJSONRPCServer.Call`; ``proceed()`` runs the rest and returns the result, or raises the
        error that the client would get. The first middleware is the outermost, whether it is for the server or for a
        path. It applies from the next request on.

        Args:
            middleware: A plain function, or an object that is called like one.
            path: Only for calls on this path; None for all.

        Returns:
            The middleware.

        Raises:
            RegistrationError: It is asynchronous, or takes other parameters, or the path is invalid.
        """
        self._engine.use(middleware, path)
        return middleware

    @in_parent_only
    def mapException(
        self,
        exception: type[BaseException],
        *,
        code: int,
        message: str | Callable[[Any], str],
        data: Any = None,
        path: str | None = None,
        name: str | None = None,
    ) -> None:
        """Make exceptions of a class an error with a code of yours, instead of -32603.

        Exceptions of subclasses too. The narrowest place that has the class of an exception, or a base of it, decides:
        the method before its path, the path before the server. In one place the nearest class decides, and a later
        mapping of the same class replaces an earlier one. It applies from the next exception on, on every exec backend.
        JSON-RPC errors are never mapped. An HTTP exception, such as that of ``flask.abort``, is mapped only by its own
        class or by another HTTP exception.

        Args:
            exception: The class.
            code: Any integer outside -32768 to -32000.
            message: One sentence for the client, or a function that returns it for the exception. Without such a
                function the text of the exception stays in the server.
            data: A JSON value for the client, or a function that returns it for the exception; None for none.
            path: Only for methods on this path; None for all.
            name: Only for the method of this name on ``path``, by any of its names.

        Raises:
            RegistrationError: An argument has an invalid value; the message names it and the remedy.
        """
        self._engine.map_exception(exception, code, message, data, path, name)

    @in_parent_only
    def reload(
        self,
        api: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        clearOld: bool = False,
        timeout: float = 60,
        processingDispatcherCountMax: int = 0,
        safely: bool = True,
        *,
        contract: str | None = None,
    ) -> bool:
        """Replace dispatchers by newer ones, without stopping.

        The scripts are loaded first. Then the server holds new requests, waits for running dispatchers, changes all
        routes in one step, and lets the requests go on. Each call runs the old code or the new, and none is lost.

        An entry of ``api`` is a dict:

        - ``dispatcher``: a name in the script, which is loaded again; or a function or instance, used as it is.
        - ``scriptPath``: the script; by default the main program's. All entries of a script share one fresh module.
        - ``name`` or ``dispatcherName``: the dispatcher to replace, if its name differs; for an instance, the class of
          the one to replace.
        - ``isInstance``: replace the public methods of an instance; a class is instantiated.
        - ``overload``: a dict of attributes to set in the module first; or a callback ``(server, module, dispatcher)``
          to call first, with the freshly loaded function or instance; or a list of these.
        - ``path``: the path prefix of its URL.
        - ``scriptName``: without effect. Any other key is ignored, with a warning.

        The new dispatcher inherits JSONP and backends from the one that it replaces.

        Args:
            api: An entry, or a list of entries.
            clearOld: Remove all other dispatchers, on all paths.
            timeout: How long to wait for running dispatchers, in seconds; later ones end with the old code.
            processingDispatcherCountMax: How many of them it does not wait for. It never waits for its caller.
            safely: Undo and log a failure. False: raise it. The routes stay as they were in both cases.
            contract: ``"compatible"`` refuses new dispatchers that would break callers, by the rules of
                ``openrpc-diff``. None accepts all.

        Returns:
            Whether the new dispatchers are in place.

        Raises:
            RegistrationError: An entry or ``contract`` is invalid, with ``safely`` too. Nothing has changed.
            BreakingChangeError: With ``safely=False``, the new dispatchers would break callers; the message says how.
            BaseException: With ``safely=False``, the exception of a script or a callback.
        """
        return self._reload(api, clearOld, timeout, processingDispatcherCountMax, safely, contract=contract)

    @in_parent_only
    def start(self, joinLoop: bool = False) -> None:
        """Start serving.

        Args:
            joinLoop: True: return when the server has stopped. False: return when it accepts requests.

        Raises:
            ServerStateError: The server runs already, or has no address.
            BindError: The server cannot listen on the address; the message says why and what to do.
        """
        if joinLoop:
            self._lifecycle.start_and_join()
        else:
            self._lifecycle.start()

    @in_parent_only
    def serveForever(
        self,
        restartOn: Any = False,
        sleep: float = 10,
        *,
        on_start: Callable[[flaskJSONRPCServer], object] | None = None,
    ) -> None:
        """Serve until Ctrl-C, SIGTERM or :meth:`stop` from another thread. Call it in the main thread.

        It starts the server if necessary. Running requests are finished at the end; a second signal ends the process
        at once.

        Args:
            restartOn: When to :meth:`restart`: a function of the server that returns True, the word
                ``'checkFileDescriptor'`` (nearly all file descriptors are in use), or a list of these.
            sleep: Seconds between two checks of ``restartOn``.
            on_start: Called with the server once it accepts requests and :attr:`addresses` has the real port.

        Raises:
            ServerStateError, BindError: As :meth:`start`.
        """
        self._lifecycle.serve_forever(on_start, restart_on=restartOn, look_every_s=sleep)

    @in_parent_only
    def restart(
        self,
        timeout: float = 20,
        processingDispatcherCountMax: int = 0,
        werkzeugTimeout: float = 3,
        joinLoop: bool = False,
    ) -> None:
        """Restart the server unnoticed by clients: sockets stay open, and new requests wait.

        In a dispatcher it returns at once, and the server restarts after the answer. A server that does not run is
        started.

        Args:
            timeout: How long to wait for running requests, in seconds; they are answered in any case.
            processingDispatcherCountMax: How many of them it does not wait for.
            werkzeugTimeout: Without effect: the address stays taken.
            joinLoop: True: return when the server has been stopped for good.

        Raises:
            ServerStateError: ``joinLoop`` in a dispatcher, which would wait for itself.
        """
        self._lifecycle.restart(timeout, processingDispatcherCountMax, join=joinLoop)

    @in_parent_only
    def stop(self, timeout: float = 20, processingDispatcherCountMax: int = 0) -> None:
        """Stop serving after the running requests. Does nothing if the server does not run.

        Args:
            timeout: How long to wait for running requests, in seconds.
            processingDispatcherCountMax: How many of them it does not wait for.

        Raises:
            ServerStateError: It is called from a dispatcher.
        """
        self._lifecycle.stop(timeout, processingDispatcherCountMax)

    @in_parent_only
    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return the statistics.

        Args:
            inMS: Give all durations in milliseconds instead of seconds.

        Returns:
            ``connPerSec_now``, ``connPerSec_old``, ``connPerSec_max`` and ``connPerSec_history``;
            ``processingRequestCount``, ``processingDispatcherCount``, ``requestCount``, ``dispatcherCount``,
            ``dispatcherErrorCount``, ``notificationLostCount``, ``abandonedCallCount`` and
            ``processingAbandonedCallCount``; ``dispatchers`` with the figures of each;
            ``speedStats`` with ``<name>_max`` and ``<name>_average``; ``gc`` with the pauses of the garbage
            collection; and the figures of the exec backends. The page on statistics describes each.
        """
        return self._engine.report(in_ms=inMS)

    @in_parent_only
    def callAsync(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        sleepTime: float = 0.45,
        sleepMethod: Callable[[float], Any] | None = None,
        returnChecker: bool = False,
    ) -> Any:
        """Run a function in a new native thread, and wait for it.

        Args:
            target: The function.
            args: Its parameters by position.
            kwargs: Its parameters by name.
            sleepTime: How long ``sleepMethod`` is asked to sleep, in seconds.
            sleepMethod: A sleep function, called repeatedly instead of waiting for the end.
            returnChecker: Do not wait; return a function that returns ``(done, result, error)`` at once.

        Returns:
            What the function returns, or the checker.

        Raises:
            BaseException: The exception of the function, with its traceback.
        """
        return call_async(target, args, kwargs, sleep=sleepMethod, sleep_s=sleepTime, return_checker=returnChecker)

    @in_parent_only
    def lock(self, dispatcher: Dispatcher | None = None) -> None:
        """Hold every call, or those of one dispatcher under all its names and paths, until :meth:`unlock`."""
        self._engine.locks.lock(optional_lock_key(dispatcher))

    @in_parent_only
    def unlock(self, dispatcher: Dispatcher | None = None, exclusive: bool = False) -> None:
        """Let calls run again.

        Args:
            dispatcher: The dispatcher; None for the server.
            exclusive: Let the dispatcher run even while the server is locked.
        """
        self._engine.locks.unlock(optional_lock_key(dispatcher), exclusive=exclusive)

    @in_parent_only
    def wait(
        self,
        dispatcher: Dispatcher | None = None,
        sleepMethod: Callable[[float], Any] | None = None,
        returnStatus: bool = False,
    ) -> bool | None:
        """Block until the server, or a dispatcher, may run.

        Args:
            dispatcher: The dispatcher; None for the server.
            sleepMethod: A sleep function, called repeatedly with ``sleepTime_waitLock`` seconds instead of waiting for
                the change.
            returnStatus: Do not wait; return at once whether it is locked.
        """
        return self._engine.wait(dispatcher, sleepMethod, return_status=returnStatus)
