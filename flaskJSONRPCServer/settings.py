"""Every option of the server, with its default, its unit and its check.

:class:`Settings` is the one place where an option is declared. The constructor of the server fills it,
``server.settings`` shows it, and ``start()`` works on a frozen copy, so that nothing changes under a request.
"""

from __future__ import annotations

import copy
import inspect
import ipaddress
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from . import former
from .errors import ServerStateError, SettingsError, unknown_name

if TYPE_CHECKING:
    import socket
    from ssl import SSLContext
    from typing import TypeAlias

    BindAdress: TypeAlias = str | os.PathLike[str] | socket.socket | Sequence[Any] | None

__all__ = ["DEFAULT_MEDIA_TYPES", "Options", "Settings", "is_origin"]

# (server, path, request, method); the request is a copy, a dict.
Auth = Callable[[Any, str, Any, "str | None"], object]

KIB = 1024
MIB = 1024 * KIB

# JSON-RPC over HTTP is served under all three of these by existing clients; none of them can be sent across sites
# by a browser without a preflight, which is why nothing else is taken by default.
DEFAULT_MEDIA_TYPES = ("application/json", "application/json-rpc", "application/jsonrequest")

Check = Callable[[Any], bool]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@]+")


def option(default: Any, accepts: str, check: Check, *, fixed: bool = False) -> Any:
    """Declare an option.

    Args:
        default: Its default.
        accepts: What it accepts, in words.
        check: Holds a value to that.
        fixed: Whether only the constructor sets it.
    """
    return field(default=default, metadata={"accepts": accepts, "check": check, "fixed": fixed})


def flag(default: bool, *, fixed: bool = False) -> Any:
    return option(default, "True or False", lambda value: isinstance(value, (bool, int)), fixed=fixed)


def count(
    default: int | None, *, least: int = 1, most: float = math.inf, unit: str = "whole number", none: str = ""
) -> Any:
    """Declare an option that counts something; ``none`` says what None means where None is accepted."""

    def check(value: Any) -> bool:
        return bool(none) if value is None else type(value) is int and least <= value <= most

    bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    return option(default, f"a {unit} {bounds}" + (f", or None: {none}" if none else ""), check)


def duration(default: float, unit: str) -> Any:
    return option(default, f"a number of {unit}, 0 or more", lambda value: is_number(value) and value >= 0)


def names(default: tuple[str, ...] | None, accepts: str, each: Check = lambda value: True) -> Any:
    """Declare an option that lists strings, each of which passes a check; None only where it is the default."""

    def check(value: Any) -> bool:
        return default is None if value is None else is_strings(value) and all(map(each, value))

    return option(default, accepts, check)


def anything(default: Any, accepts: str) -> Any:
    return option(default, accepts, lambda value: True)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_strings(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(item, str) for item in value)


def is_paths(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset)) and all(
        isinstance(each, (str, os.PathLike)) for each in value
    )


def is_ip_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def is_host(value: str) -> bool:
    """Return whether it is a host's name or address, without a scheme, a port, or brackets."""
    return is_ip_address(value) or not any(mark in value for mark in ":/[] ")


def is_origin(value: str) -> bool:
    """Return whether a browser may send it as the origin of a page that has one (RFC 6454, section 6.2)."""
    return _ORIGIN.fullmatch(value) is not None


def is_auth(value: Any) -> bool:
    """Return whether it is None, or can be called with four arguments by position."""
    if value is None or not callable(value):
        return value is None
    try:
        inspect.signature(value).bind(*range(4))
    except TypeError:
        return False
    except ValueError:  # a built-in that has no signature
        return True
    return True


def is_log_level(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= 4)


@dataclass
class Settings:
    """The options of one server, as attributes.

    The first block holds the documented parameters of the constructor, under their own names. All others may be given
    to the constructor as further keyword arguments. Assigning an unknown name or a value that an option cannot have
    raises :class:`~flaskJSONRPCServer.errors.SettingsError`; assigning anything while the server is in use raises
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
    compressMinSize: int = count(2 * MIB, least=0, unit="number of bytes")
    jsonBackend: Any = anything("simplejson", "a module's name, or an object with loads and dumps")
    notifBackend: Any = anything("simple", "the name of an exec backend, or an exec backend")
    dispatcherBackend: Any = anything("simple", "the name of an exec backend, or an exec backend")
    auth: Auth | None = option(None, "a function of four parameters (server, path, request, method), or None", is_auth)
    experimental: bool = option(False, "True or False", lambda value: isinstance(value, (bool, int)), fixed=True)
    controlGC: bool = flag(True)
    magicVarForDispatcher: str = option(
        "_connection", "a Python identifier", lambda value: isinstance(value, str) and value.isidentifier()
    )
    name: str | None = option(
        None, "a string or None", lambda value: value is None or isinstance(value, str), fixed=True
    )
    servBackend: Any = anything("auto", "the name of a serving backend, or a serving backend")

    flaskContext: bool = flag(False)
    """Whether every call goes through Flask's request handling, so that ``flask.request`` works in a dispatcher."""

    max_body_bytes: int = count(5 * MIB, unit="number of bytes")
    """The largest request body, before and after gunzip."""
    max_response_bytes: int = count(64 * MIB, unit="number of bytes")
    """The largest answer before gzip."""
    max_batch_length: int | None = count(1000, none="no limit")
    """The most calls in one batch."""
    max_nesting_depth: int = count(100, most=500)
    """How deep arrays and objects may nest in a request. Past 500, Python's recursion limit would decide."""
    max_integer_digits: int = count(4300)
    """The longest integer in a request, in decimal digits."""
    max_header_count: int = count(100)
    """The most header fields in a request."""
    max_url_bytes: int = count(8 * KIB, unit="number of bytes")
    """The longest path with its query string."""
    allowed_hosts: Sequence[str] | None = names(
        None, "a list of host names, without ports, or None: loopback names where bound to loopback, else any", is_host
    )
    allowed_origins: Sequence[str] | None = names(
        None, "a list of origins such as 'https://a.test', or None: any", lambda each: each == "null" or is_origin(each)
    )
    media_types: Sequence[str] = names(DEFAULT_MEDIA_TYPES, "a list of media types")
    trusted_proxies: Sequence[str] = names((), "a list of IP addresses", is_ip_address)
    """The peers whose X-Forwarded-For is believed."""
    rateLimit: str | Sequence[str] | Mapping[str, Any] | None = anything(
        None, "a limit such as '100/minute', a list of limits, a dict, or None for no limit"
    )
    """How often each client may call."""

    backlog: int = count(10_000, most=2**31 - 1)
    read_timeout_s: float = duration(30, "seconds")
    """How long a client may be silent in the middle of a request before its connection is closed."""
    threads: int = count(64)
    """How many calls a serving backend that works with threads runs at once, on each address."""
    max_concurrent_calls: int = count(1000)
    """The most calls that a serving backend which works with greenlets runs at once, on each address. A guess: a
    greenlet costs some kilobytes, but what its call uses, such as a database, may stand less."""
    max_waiting_requests: int = count(1000, least=0)
    """How many complete requests wait for a thread; those beyond are answered 503 at once."""
    handshake_timeout_s: float = duration(10, "seconds")
    """How long a TLS handshake may take; 0 for no limit, as with all times that follow."""
    head_timeout_s: float = duration(15, "seconds")
    """How long the head of a request may take, and a new connection until its first byte."""
    body_timeout_s: float = duration(60, "seconds")
    """How long a whole request body may take."""
    idle_timeout_s: float = duration(60, "seconds")
    """How long a connection is kept between two requests."""
    request_timeout_s: float = duration(0, "seconds")
    """How long a complete request may wait and be answered, by the native backend."""
    rate_grace_s: float = duration(10, "seconds")
    """Over how long the two lowest rates are measured."""
    min_body_rate: int = count(500, least=0, unit="number of bytes per second")
    """The slowest that a request body may come; 0 for no limit."""
    min_answer_rate: int = count(500, least=0, unit="number of bytes per second")
    """The slowest that a client may read an answer; 0 for no limit."""
    max_connections: int = count(10_000)
    """The most connections to each address; the descriptors of the process may set a lower limit."""
    max_connections_per_client: int = count(2000)
    """The most connections of one client's address to each address; at most half of all. Not for trusted proxies."""
    max_requests_per_connection: int = count(100_000)
    """After how many requests a connection is closed."""
    max_buffered_bytes: int = count(256 * MIB, unit="number of bytes")
    """The most memory of bodies and unsent answers, of all connections to an address."""
    spool_body_bytes: int = count(MIB, least=0, unit="number of bytes")
    """The largest request body that is held in memory; larger ones go to a temporary file."""
    max_page_body_bytes: int = count(64 * MIB, unit="number of bytes")
    """The largest request body for the pages of the Flask application."""
    max_head_bytes: int = count(32 * KIB, least=1024, unit="number of bytes")
    """The largest head of a request."""
    exec_pool_threads: int = count(32)
    """The most threads of each of the backends ``threaded`` and ``threadedNative``."""
    max_exec_queue_calls: int = count(1000, least=0)
    """The most calls that wait in such a backend for a thread to be free."""
    antifreeze_batchMaxTime: float = duration(500, "milliseconds")
    """How long one batch runs before others have their turn."""
    antifreeze_batchSleep: float = duration(0.5, "seconds")
    """How long they have it, under gevent."""
    antifreeze_batchBreak: bool = flag(False)
    """Whether the batch ends there instead."""
    experimental_min_bytes: int = count(256 * KIB, unit="number of bytes")
    """From which size on a payload leaves the serving thread, with ``experimental=True``."""
    sleepTime_waitLock: float = duration(0.1, "seconds")
    """How long the ``sleepMethod`` that is given to ``wait()`` is asked to sleep."""
    sleepTime_waitDeepLock: float = duration(0.1, "seconds")
    """Without effect: what waits for the end of a deep lock is woken by it."""
    sleepTime_checkProcessingCount: float = duration(0.3, "seconds")
    """Without effect: what waits for running dispatchers is woken by their end."""
    reloadOnChange: bool | Sequence[str | os.PathLike[str]] = option(
        (), "True, or a list of paths of scripts", lambda value: isinstance(value, bool) or is_paths(value)
    )
    """The scripts whose dispatchers are reloaded when they change; True: those of all dispatchers of the user's own."""
    controlGC_everySeconds: float = duration(60 * 60, "seconds")
    controlGC_everyRequestCount: int = count(300_000)
    controlGC_everyDispatcherCount: int = count(50_000)
    gc_every_objects: int = count(50_000)
    """With ``controlGC``: how many objects may be added between two collections, a guess at 10 to 40 MB of garbage."""

    frozen: ClassVar[bool] = False
    fallback_is_explicit: ClassVar[bool] = False
    """Whether ``fallback`` was given or assigned; False where it only has its default."""

    if not TYPE_CHECKING:  # a type checker that sees it accepts every name

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
            if name in former.OPTIONS:
                raise SettingsError(f"unknown option {name!r}: {former.OPTIONS[name]}")
            if name not in OPTIONS:
                raise SettingsError(unknown_name("option", name, OPTIONS))

    def mark_fallback_explicit(self) -> None:
        """Note that ``fallback`` was given: True by default and True by the user's own word are not the same."""
        self.__dict__["fallback_is_explicit"] = True

    def freeze(self) -> None:
        """Refuse every further assignment until :meth:`thaw`."""
        self.__dict__["frozen"] = True

    def thaw(self) -> None:
        """Allow assignments again."""
        self.__dict__["frozen"] = False

    def snapshot(self) -> Settings:
        """Return a frozen copy, which later changes of this object do not reach."""
        taken = copy.copy(self)
        taken.__dict__.update({name: copied(value) for name, value in self.__dict__.items()})
        taken.freeze()
        return taken


def copied(value: Any) -> Any:
    """Return lists, sets and dicts as copies, also inside each other, and any other object as it is."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return type(value)(map(copied, value)) if isinstance(value, (list, set)) else value


class Options(TypedDict, total=False):
    """The options that the constructor takes by name alone, for type checkers; :class:`Settings` documents them."""

    flaskContext: bool
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
    backlog: int
    read_timeout_s: float
    threads: int
    max_concurrent_calls: int
    max_waiting_requests: int
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
    """Hold one value against its option.

    Raises:
        SettingsError: There is no such option, or it does not accept the value.
    """
    Settings.refuse_unknown([name])
    if not OPTIONS[name]["check"](value):
        raise SettingsError(f"{name}={value!r} is refused: it takes {OPTIONS[name]['accepts']}")
