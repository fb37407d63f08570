"""The options of the server, each with its default, its unit and its check.

:class:`Settings` alone declares options. The constructor of the server fills it, and ``server.settings`` shows it.
``start()`` uses a frozen copy: assigning a setting during the run is an error rather than a change without effect, and
the pipeline can prepare headers, sets of accepted values and the JSON codec once.
"""

from __future__ import annotations

import copy
import inspect
import ipaddress
import json
import math
import os
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from . import removed_names
from .errors import ServerStateError, SettingsError, unknown_name
from .inspection import read_signature
from .proxies import is_proxy

if TYPE_CHECKING:
    import socket
    from ssl import SSLContext
    from typing import TypeAlias

    BindAdress: TypeAlias = str | os.PathLike[str] | socket.socket | Sequence[Any] | None

__all__ = ["ACCESS_FIELDS", "DEFAULT_MEDIA_TYPES", "OPTIONS", "Auth", "Options", "Settings", "is_origin"]

# (server, path, request, method); the request is a copy, a dict.
Auth = Callable[[Any, str, Any, "str | None"], object]

_KIB = 1024
_MIB = 1024 * _KIB

# Existing clients of JSON-RPC over HTTP use these three. A browser cannot send any of them across sites without a
# preflight; other types are therefore refused by default.
DEFAULT_MEDIA_TYPES = ("application/json", "application/json-rpc", "application/jsonrequest")

ACCESS_FIELDS = (
    *("host", "user", "time", "request", "status", "bytes", "referer", "agent"),
    *("method", "code", "duration_ms", "id"),
)
"""The fields of the access log: those of the Combined Log Format, then those of JSON-RPC."""

Check = Callable[[Any], bool]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@\x00-\x1f\x7f]+")


def option(default: Any, accepts: str, check: Check, *, fixed: bool = False, secret: bool = False) -> Any:
    """Declare an option.

    Args:
        default: The default.
        accepts: The accepted values, in words.
        check: Returns whether a value is accepted.
        fixed: Whether only the constructor may set the option.
        secret: Whether its value must not be in any text, such as that of an error.
    """
    metadata = {"accepts": accepts, "check": check, "fixed": fixed, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


def flag(default: bool, *, fixed: bool = False) -> Any:
    """Declare an option that is True or False."""
    return option(default, "True or False, also as 1 or 0", is_flag, fixed=fixed)


def count(
    default: int | None, *, least: int = 1, most: float = math.inf, unit: str = "whole number", none: str = ""
) -> Any:
    """Declare an option that is a whole number. ``none`` is the meaning of None, if None is accepted."""

    def check(value: Any) -> bool:
        return bool(none) if value is None else type(value) is int and least <= value <= most

    bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    return option(default, f"a {unit} {bounds}" + (f", or None: {none}" if none else ""), check)


def duration(default: float, unit: str) -> Any:
    """Declare an option that is a duration in the unit."""
    return option(default, f"a number of {unit}, 0 or more", lambda value: is_number(value) and value >= 0)


def names(default: tuple[str, ...] | None, accepts: str, check_name: Check = lambda value: True) -> Any:
    """Declare an option that lists strings, each with a check. None is accepted only if it is the default."""

    def check(value: Any) -> bool:
        return default is None if value is None else is_strings(value) and all(map(check_name, value))

    return option(default, accepts, check)


def anything(default: Any, accepts: str) -> Any:
    """Declare an option that its user checks."""
    return option(default, accepts, lambda value: True)


def is_flag(value: Any) -> bool:
    return isinstance(value, int) and value in (0, 1)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_strings(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(item, str) for item in value)


def is_paths(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(
        isinstance(item, (str, os.PathLike)) for item in value
    )


def is_segment(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._~-]+", value) is not None and value not in (".", "..")


def is_secret(value: Any) -> bool:
    """Return whether a value is None, or has the least size of a secret: that of the signatures made with it."""
    try:
        data = value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return data is None or (isinstance(data, bytes) and len(data) >= 32)


def is_info(value: Any) -> bool:
    """Return whether a value is None or a dict that JSON can write, whose title and version are strings."""
    if not isinstance(value, Mapping):
        return value is None
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return all(isinstance(value.get(name, ""), str) for name in ("title", "version"))


def is_ip_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_host(value: str) -> bool:
    """Return whether a text is the name or address of a host, without scheme, port and brackets."""
    return is_ip_address(value) or (value.isprintable() and not any(mark in value for mark in ":/[] "))


def is_origin(value: str) -> bool:
    """Return whether a browser may send a text as the origin of a page, other than ``null`` (RFC 6454, section 6.2)."""
    return _ORIGIN.fullmatch(value) is not None


def is_plain_origin(value: str) -> bool:
    """Return whether a text is an origin without the marks that separate the parts of a policy (CSP 3, section 2.2)."""
    return is_origin(value) and not any(mark in value for mark in ";,'\"") and value.isascii()


def is_auth(value: Any) -> bool:
    """Return whether a value is None, or a plain function that takes four positional arguments."""
    if value is None or not callable(value):
        return value is None
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(value.__call__):
        return False
    try:
        read_signature(value).bind(*range(4))
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature
        return True
    return True


def is_tracing(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return isinstance(value, bool)
    return set(value) <= {"params", "messages"} and all(isinstance(flag, bool) for flag in value.values())


def is_name(value: Any) -> bool:
    """Return whether a value is None or a text that cannot begin a new line of the log, which has it in each line."""
    return value is None or (isinstance(value, str) and value.isprintable())


def is_access_format(value: Any) -> bool:
    """Return whether a value names a format of the access log, or is one: a text with plain fields in braces."""
    if not isinstance(value, str) or not value.isprintable():
        return False
    try:
        parts = list(string.Formatter().parse(value))
    except ValueError:
        return False
    fields = [(name, bool(spec or conversion)) for _, name, spec, conversion in parts if name is not None]
    if any(name not in ACCESS_FIELDS or is_converted for name, is_converted in fields):
        return False
    return bool(fields) or value in ("common", "combined")


def is_flag_or_none(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def is_log_level(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= 4)


@dataclass
class Settings:
    """The options of one server, as attributes.

    The first block has the documented parameters of the constructor, under the same names. Pass all other options to
    the constructor by keyword. Assigning an unknown name or an invalid value raises
    :class:`~flaskJSONRPCServer.errors.SettingsError`. Any assignment while the server is in use raises
    :class:`~flaskJSONRPCServer.errors.ServerStateError`.
    """

    bindAdress: BindAdress = anything(None, "[ip, port], a path, a socket, or None for a server that is only mounted")
    multipleAdress: bool = flag(False)
    blocking: bool = flag(False)
    cors: bool | Mapping[str, Any] = option(
        False, "True, False or a dict", lambda value: isinstance(value, (bool, Mapping))
    )
    gevent: bool = flag(False, fixed=True)
    debug: bool = flag(False)
    log: int | bool = option(3, "0 (critical only) to 4 (debug), or False", is_log_level)
    fallback: bool = flag(True)
    allowCompress: bool = flag(False)
    ssl: Sequence[str] | SSLContext | bool = anything(
        False, "[key file, certificate file], an ssl.SSLContext, or False"
    )
    tweakDescriptors: Sequence[int] | bool = anything((65536, 65536), "[soft limit, hard limit], or False")
    compressMinSize: int = count(2 * _MIB, least=0, unit="number of bytes")
    jsonBackend: Any = anything("simplejson", "a module's name, or an object with loads and dumps")
    notifBackend: Any = anything("simple", "the name of an exec backend, or an exec backend")
    dispatcherBackend: Any = anything("simple", "the name of an exec backend, or an exec backend")
    auth: Auth | None = option(
        None, "a plain function of four parameters (server, path, request, method), or None", is_auth
    )
    experimental: bool = flag(False, fixed=True)
    controlGC: bool = flag(True)
    magicVarForDispatcher: str = option(
        "_connection", "a Python identifier", lambda value: isinstance(value, str) and value.isidentifier()
    )
    name: str | None = option(None, "a string without control characters, or None", is_name, fixed=True)
    servBackend: Any = anything("auto", "the name of a serving backend, or a serving backend")

    flaskContext: bool = flag(False)
    """Whether every call goes through Flask's request handling, so that ``flask.request`` works in a dispatcher."""
    validate: bool = flag(True)
    """Whether the parameters of calls are checked against the type hints of the function."""
    validateResult: bool = flag(False)
    """Whether the results of calls are checked against the type hint of the function."""
    discover: bool = flag(True, fixed=True)
    """Whether the server describes its methods: ``rpc.discover``, and the URLs of its OpenRPC documents."""
    discover_url: str = option("openrpc.json", "a segment of a URL", is_segment, fixed=True)
    """The last segment of the URLs of the documents."""
    client_js: bool = flag(False, fixed=True)
    """Whether the server has a client for JavaScript beside each document: ``GET <path>/client.js``."""
    api_info: Mapping[str, Any] | None = option(
        None, "a dict of JSON values with 'title' and 'version' as strings, or None", is_info
    )
    """The Info Object of the documents: ``title``, ``version``, ``description`` and so on."""
    console: bool | None = option(
        None, "True, False, or None: where the server listens on loopback only", is_flag_or_none, fixed=True
    )
    """Whether browsers see the methods and call them on the page ``/console/``."""
    consoleActions: bool = flag(False)
    """Whether the page may lock, reload, restart and collect garbage, each if ``auth`` allows it."""
    console_origins: Sequence[str] = names((), "a list of origins such as 'https://a.test'", is_plain_origin)
    """The origins of other servers that the page may call, beside its own."""

    tracing: bool | Mapping[str, bool] = option(
        False, "True, False, or a dict with 'params' and 'messages' as True or False", is_tracing
    )
    """Whether calls are traced by OpenTelemetry; a dict also says whether spans have parameters and error messages."""
    health: bool = flag(True, fixed=True)
    """Whether the server answers ``/healthz`` and ``/readyz``."""
    accessLog: bool = flag(False)
    """Whether each request is a line of the access log."""
    accessLogFormat: str = option(
        "combined",
        f"'common', 'combined', or a format of {', '.join(f'{{{name}}}' for name in ACCESS_FIELDS)}",
        is_access_format,
    )
    """The form of these lines."""
    logFormat: str = option("text", "'text' or 'json'", lambda value: value in ("text", "json"), fixed=True)
    """The form of all lines of the log on standard error."""
    metrics: bool = flag(False, fixed=True)
    """Whether the server answers ``GET /metrics``."""
    metrics_auth: Auth | None = option(
        None, "a plain function of four parameters (server, path, request, method), or None", is_auth, fixed=True
    )
    """Who may read the metrics, as ``auth``; None for ``auth`` itself."""
    metrics_address: Sequence[Any] | None = option(
        None, "[ip, port], or None for the addresses of the server", lambda value: True, fixed=True
    )
    """Where the metrics are served, and nothing else; then they are not on the addresses of the server."""

    max_body_bytes: int = count(5 * _MIB, unit="number of bytes")
    """The largest request body, before and after gunzip."""
    max_response_bytes: int = count(64 * _MIB, unit="number of bytes")
    """The largest answer before gzip."""
    max_batch_length: int | None = count(1000, none="no limit")
    """The most calls in one batch."""
    max_nesting_depth: int = count(100, most=500)
    """The deepest nesting of arrays and objects in a request. Beyond 500, Python's recursion limit would decide."""
    max_integer_digits: int = count(4300)
    """The longest integer in a request, in decimal digits."""
    max_header_count: int = count(100)
    """The most header fields in a request."""
    max_url_bytes: int = count(8 * _KIB, unit="number of bytes")
    """The longest path with its query string."""
    allowed_hosts: Sequence[str] | None = names(
        None, "a list of host names, without ports, or None: loopback names where bound to loopback, else any", is_host
    )
    allowed_origins: Sequence[str] | None = names(
        None, "a list of origins such as 'https://a.test', or None: any", lambda name: name == "null" or is_origin(name)
    )
    media_types: Sequence[str] = names(DEFAULT_MEDIA_TYPES, "a list of media types")
    trusted_proxies: Sequence[str] = names((), "a list of IP addresses and networks such as '10.0.0.0/8'", is_proxy)
    """The IP addresses and networks of the peers whose X-Forwarded-For is trusted."""
    rateLimit: str | Sequence[str] | Mapping[str, Any] | None = anything(
        None, "a limit such as '100/minute', a list of limits, a dict, or None for no limit"
    )
    """How often each client may call."""
    timeout: float | None = option(
        None,
        "a number of seconds above 0, or None: no limit",
        lambda value: value is None or (is_number(value) and value > 0),
    )
    """How long a call may take, in seconds from the arrival of its request."""
    max_abandoned_calls: int = count(64)
    """How many calls may still run after their deadlines before a pool of threads begins no more calls with a timeout.
    Guessed: a thread costs some kilobytes and perhaps a connection to a database."""

    caller_timeouts: bool = flag(True)
    """Whether the header Request-Timeout of a request shortens the deadlines of its calls."""
    idempotency: bool | Mapping[str, Any] = option(
        True,
        "True, False, or a dict with 'identity', 'store' or both",
        lambda value: isinstance(value, (bool, Mapping)),
    )
    """Whether requests and calls with idempotency keys run once; a dict says who their callers are, and where their
    answers are kept."""
    idempotency_timeout_s: float = duration(30, "seconds")
    """How long a request waits for the answer of another one with the same key; 0 answers 409 immediately."""
    idempotency_lifetime_s: float = duration(24 * 60 * 60, "seconds")
    """How long an answer is kept under its key."""
    max_idempotency_keys: int = count(10_000)
    """The most keys that are kept."""
    max_idempotency_bytes: int = count(64 * _MIB, unit="number of bytes")
    """The most memory for the answers of all keys."""
    secret: str | bytes | None = option(
        None,
        "a string or bytes of at least 32 bytes that nobody can guess, or None: a random one",
        is_secret,
        secret=True,
    )
    """The key that signs state which clients keep. Servers behind one address need the same."""

    backlog: int = count(10_000, most=2**31 - 1)
    read_timeout_s: float = duration(30, "seconds")
    """How long a client may pause in the middle of a request before its connection is closed."""
    threads: int = count(64)
    """The most calls that a threaded serving backend runs at once, on each address."""
    max_concurrent_calls: int = count(1000)
    """The most calls that a serving backend with greenlets runs at once, on each address. The default is a guess: a
    greenlet costs some kilobytes, but the resources of its call, such as a database, may have lower limits."""
    max_waiting_requests: int = count(1000, least=0)
    """The most complete requests that wait for a thread; further ones are answered 503 at once."""
    max_streams: int | None = count(None, none="what fits the serving program")
    """The most streamed answers that are open at once, with those that pages have opened."""
    handshake_timeout_s: float = duration(10, "seconds")
    """How long a TLS handshake may take; 0 for no limit, as for all timeouts below."""
    head_timeout_s: float = duration(15, "seconds")
    """How long the head of a request may take, and the first byte of a new connection."""
    body_timeout_s: float = duration(60, "seconds")
    """How long a whole request body may take."""
    idle_timeout_s: float = duration(60, "seconds")
    """How long a connection is kept open between two requests."""
    request_timeout_s: float = duration(0, "seconds")
    """How long waiting for a thread and answering a request may take together, with the native backend. A stream
    may stay open longer, once the function that has opened it has returned."""
    rate_grace_s: float = duration(10, "seconds")
    """The window over which the two minimum rates are measured."""
    min_body_rate: int = count(500, least=0, unit="number of bytes per second")
    """The lowest rate at which a client may send a request body; 0 for no limit."""
    min_answer_rate: int = count(500, least=0, unit="number of bytes per second")
    """The lowest rate at which a client may read an answer; 0 for no limit."""
    max_connections: int = count(10_000)
    """The most connections to each address; the descriptors of the process may set a lower limit."""
    max_connections_per_client: int = count(2000)
    """The most connections of one client to each address; at most half of all. It does not apply to trusted proxies."""
    max_requests_per_connection: int = count(100_000)
    """The number of requests after which a connection is closed."""
    max_buffered_bytes: int = count(256 * _MIB, unit="number of bytes")
    """The most memory for bodies and unsent answers of all connections to an address."""
    spool_body_bytes: int = count(_MIB, least=0, unit="number of bytes")
    """The largest request body that is held in memory; larger ones go to a temporary file."""
    max_spooled_bytes: int = count(1024 * _MIB, unit="number of bytes")
    """The most bytes of these files for all connections to an address; guessed."""
    max_page_body_bytes: int = count(64 * _MIB, unit="number of bytes")
    """The largest request body for pages of the Flask application."""
    max_head_bytes: int = count(32 * _KIB, least=1024, unit="number of bytes")
    """The largest head of a request."""
    exec_pool_threads: int = count(32)
    """The most threads of each of the exec backends ``threaded`` and ``threadedNative``."""
    max_exec_queue_calls: int = count(1000, least=0)
    """The most calls that wait for a thread in each of these backends."""
    antifreeze_batchMaxTime: float = duration(500, "milliseconds")
    """How long one batch runs before it yields to other requests."""
    antifreeze_batchSleep: float = duration(0.5, "seconds")
    """How long the batch sleeps then, under gevent."""
    antifreeze_batchBreak: bool = flag(False)
    """Whether the batch ends then instead."""
    experimental_min_bytes: int = count(256 * _KIB, unit="number of bytes")
    """The least size of a payload that leaves the serving thread, with ``experimental=True``."""
    sleepTime_waitLock: float = duration(0.1, "seconds")
    """The duration that ``wait()`` passes to its ``sleepMethod``."""
    sleepTime_waitDeepLock: float = duration(0.1, "seconds")
    """Without effect: the end of a deep lock wakes its waiters."""
    sleepTime_checkProcessingCount: float = duration(0.3, "seconds")
    """Without effect: the end of running dispatchers wakes their waiters."""
    reloadOnChange: bool | Sequence[str | os.PathLike[str]] = option(
        (), "True, or a list of paths of scripts", lambda value: isinstance(value, bool) or is_paths(value)
    )
    """The scripts whose dispatchers are reloaded when they change; True for all scripts outside installed packages."""
    controlGC_everySeconds: float = duration(60 * 60, "seconds")
    controlGC_everyRequestCount: int = count(300_000)
    controlGC_everyDispatcherCount: int = count(50_000)
    gc_every_objects: int = count(50_000)
    """With ``controlGC``: the most new objects between two collections; guessed, for 10 to 40 MB of garbage."""

    frozen: ClassVar[bool] = False
    fallback_is_explicit: ClassVar[bool] = False
    """Whether ``fallback`` was passed or assigned; False if it has its default."""

    if not TYPE_CHECKING:  # with it, a type checker would accept every name

        def __setattr__(self, name: str, value: Any) -> None:
            if self.frozen:
                raise ServerStateError(f"setting {name!r} cannot change while the server is in use; set it before")
            check_option(name, value)
            if OPTIONS[name]["fixed"] and name in self.__dict__:
                raise ServerStateError(f"setting {name!r} is fixed; give it to the constructor")
            if name == "fallback" and name in self.__dict__:
                self.mark_fallback_explicit()
            super().__setattr__(name, value)

    @classmethod
    def refuse_unknown(cls, options: Iterable[str]) -> None:
        """Raise SettingsError for the first name that is not an option."""
        for name in options:
            if name in removed_names.OPTIONS:
                raise SettingsError(f"unknown option {name!r}: {removed_names.OPTIONS[name]}")
            if name not in OPTIONS:
                raise SettingsError(unknown_name("option", name, OPTIONS))

    def mark_fallback_explicit(self) -> None:
        """Note that ``fallback`` was set: an explicit True allows more than the default True."""
        self.__dict__["fallback_is_explicit"] = True

    def freeze(self) -> None:
        """Refuse every further assignment until :meth:`unfreeze`."""
        self.__dict__["frozen"] = True

    def unfreeze(self) -> None:
        """Allow assignments again."""
        self.__dict__["frozen"] = False

    def snapshot(self) -> Settings:
        """Return a frozen copy, independent of later changes to this object."""
        frozen_copy = copy.copy(self)
        frozen_copy.__dict__.update({name: copied(value) for name, value in self.__dict__.items()})
        frozen_copy.freeze()
        return frozen_copy


def copied(value: Any) -> Any:
    """Copy lists, sets and dicts, including nested ones; return any other object itself."""
    if isinstance(value, dict):
        return {key: copied(member) for key, member in value.items()}
    return type(value)(map(copied, value)) if isinstance(value, (list, set)) else value


class Options(TypedDict, total=False):
    """The keyword-only options of the constructor, for type checkers. :class:`Settings` documents them."""

    flaskContext: bool
    validate: bool
    validateResult: bool
    discover: bool
    discover_url: str
    client_js: bool
    api_info: Mapping[str, Any] | None
    console: bool | None
    consoleActions: bool
    console_origins: Sequence[str]
    tracing: bool | Mapping[str, bool]
    health: bool
    accessLog: bool
    accessLogFormat: str
    logFormat: str
    metrics: bool
    metrics_auth: Auth | None
    metrics_address: Sequence[Any] | None
    max_body_bytes: int
    max_response_bytes: int
    max_batch_length: int | None
    max_nesting_depth: int
    max_integer_digits: int
    max_header_count: int
    max_url_bytes: int
    allowed_hosts: Sequence[str] | None
    allowed_origins: Sequence[str] | None
    media_types: Sequence[str]
    trusted_proxies: Sequence[str]
    rateLimit: str | Sequence[str] | Mapping[str, Any] | None
    timeout: float | None
    max_abandoned_calls: int
    caller_timeouts: bool
    idempotency: bool | Mapping[str, Any]
    idempotency_timeout_s: float
    idempotency_lifetime_s: float
    max_idempotency_keys: int
    max_idempotency_bytes: int
    secret: str | bytes | None
    backlog: int
    read_timeout_s: float
    threads: int
    max_concurrent_calls: int
    max_waiting_requests: int
    max_streams: int | None
    handshake_timeout_s: float
    head_timeout_s: float
    body_timeout_s: float
    idle_timeout_s: float
    request_timeout_s: float
    rate_grace_s: float
    min_body_rate: int
    min_answer_rate: int
    max_connections: int
    max_connections_per_client: int
    max_requests_per_connection: int
    max_buffered_bytes: int
    spool_body_bytes: int
    max_spooled_bytes: int
    max_page_body_bytes: int
    max_head_bytes: int
    exec_pool_threads: int
    max_exec_queue_calls: int
    antifreeze_batchMaxTime: float
    antifreeze_batchSleep: float
    antifreeze_batchBreak: bool
    experimental_min_bytes: int
    sleepTime_waitLock: float
    sleepTime_waitDeepLock: float
    sleepTime_checkProcessingCount: float
    reloadOnChange: bool | Sequence[str | os.PathLike[str]]
    controlGC_everySeconds: float
    controlGC_everyRequestCount: int
    controlGC_everyDispatcherCount: int
    gc_every_objects: int


OPTIONS = {declared.name: declared.metadata for declared in fields(Settings)}


def check_option(name: str, value: Any) -> None:
    """Check a value for an option.

    Raises:
        SettingsError: There is no such option, or it does not accept the value.
    """
    Settings.refuse_unknown([name])
    if not OPTIONS[name]["check"](value):
        raise SettingsError(refusal(name, value))


def refusal(name: str, value: Any) -> str:
    """Return the text of the error for a value that an option does not accept, without the value of a secret."""
    shown = f"the value of {name}" if OPTIONS[name]["secret"] else f"{name}={value!r}"
    return f"{shown} is refused: it takes {OPTIONS[name]['accepts']}"
