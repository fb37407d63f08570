"""The option ``rateLimit``, parsed and checked once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ...errors import SettingsError, unknown_name
from ...extras import missing_extra
from ...inspection import read_signature

if TYPE_CHECKING:
    from limits import RateLimitItem

__all__ = ["IN_MEMORY", "RateLimitPlan", "Rule", "limits_of", "read_plan", "registered_rule", "scheme_of"]

IN_MEMORY: Final = "memory"
"""The scheme of the storage in this process."""

SHARED: Final = ("redis", "redis+unix", "rediss", "valkey", "valkey+unix", "valkeys")
"""The schemes of the storages that several processes can share."""

_DEFAULT_STORAGE: Final = f"{IN_MEMORY}://"

STRATEGIES: Final = ("fixed-window", "moving-window", "sliding-window-counter")

_KEYS: Final = ("identity", "limits", "maxCounters", "methods", "paths", "storage", "strategy")
_ACCEPTS: Final = (
    "it takes a limit such as '100/minute', several as '10/second; 1000/hour', or a list of these; the units are "
    "second, minute, hour, day, month and year"
)

# ``limits`` parses "5/0 minute" as "5/minute".
_EVERY_ZERO: Final = re.compile(r"(?:/|per)\s*0+\s*[a-z]", re.IGNORECASE)

# A bound on memory, since a client may have any number of addresses. A counter takes some 350 bytes.
_DEFAULT_MAX_COUNTERS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Rule:
    """The limits of each client in one scope.

    Attributes:
        scope: The scope, as in the keys of counters: ``server``, ``path /api/``, ``method login``.
        items: The limits, the shortest window first: a burst that it refuses is not counted by the longer windows.
    """

    scope: str
    items: tuple[RateLimitItem, ...]


def registered_rule(path: str, name: str, items: tuple[RateLimitItem, ...]) -> Rule:
    """Return the rule of a dispatcher with registered limits, for a formatted path and its main name."""
    return Rule(f"registered {path}{name}", items)


@dataclass(frozen=True, slots=True)
class RateLimitPlan:
    """The parsed option ``rateLimit``.

    Attributes:
        server: The rule for all calls.
        paths: The rules for the calls on a path, by formatted path.
        methods: The rules for a method: by its name, for all paths, or by path and name, such as ``/api/login``.
        identity: Returns the name of the client of a request, which is copied as for ``auth``; None for its address.
        storage: The URI of the storage of the counters.
        strategy: The counting strategy; one of ``STRATEGIES``.
        max_counters: The maximum number of counters in memory.
    """

    server: Rule | None = None
    paths: Mapping[str, Rule] = field(default_factory=dict)
    methods: Mapping[str, Rule] = field(default_factory=dict)
    identity: Callable[[Any], object] | None = None
    storage: str = _DEFAULT_STORAGE
    strategy: str = STRATEGIES[0]
    max_counters: int = _DEFAULT_MAX_COUNTERS


def read_plan(option: Any, format_path: Callable[[str], str]) -> RateLimitPlan:
    """Parse the option; None means no limits.

    Args:
        option: None, a limit, a list of limits, or a dict with any of ``limits``, ``paths``, ``methods``,
            ``identity``, ``storage``, ``strategy`` and ``maxCounters``.
        format_path: Adds a slash at both ends of a path.

    Raises:
        SettingsError: A value is invalid; the message names it.
        MissingExtraError: ``limits`` is not installed.
    """
    if option is None:
        return RateLimitPlan()
    values = option if isinstance(option, Mapping) else {"limits": option}
    for key in values:
        if key not in _KEYS:
            raise SettingsError(unknown_name("key of rateLimit", key, _KEYS))
    if not any(key in values and values[key] != {} for key in ("limits", "methods", "paths")):
        raise SettingsError("rateLimit is refused: it sets no limit; give it any of limits, paths and methods")
    what = "rateLimit" if values is not option else "rateLimit['limits']"
    plan = RateLimitPlan(
        server=Rule("server", limits_of(what, values["limits"])) if "limits" in values else None,
        paths=dict(path_rules(values.get("paths", {}), format_path)),
        methods=dict(method_rules(values.get("methods", {}))),
        identity=checked_identity(values.get("identity")),
        storage=checked_storage(values.get("storage", _DEFAULT_STORAGE)),
        strategy=checked_strategy(values.get("strategy", STRATEGIES[0])),
        max_counters=checked_count(values.get("maxCounters", _DEFAULT_MAX_COUNTERS)),
    )
    if plan.strategy == "moving-window" and scheme_of(plan.storage) == IN_MEMORY:
        remedy = "choose 'sliding-window-counter', or a storage such as 'redis://127.0.0.1:6379/0'"
        raise SettingsError(f"rateLimit strategy 'moving-window' is refused in memory: it keeps each call; {remedy}")
    return plan


def limits_of(what: str, value: Any) -> tuple[RateLimitItem, ...]:
    """Parse a string or a list of strings into limits: the shortest window first, without duplicates.

    Args:
        what: The name of the option, for error messages.
        value: The value of the option.

    Raises:
        SettingsError: The value has another type, or a string that is no limit.
        MissingExtraError: ``limits`` is not installed.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not texts:
        raise SettingsError(f"{what}={value!r} is refused: {_ACCEPTS}")
    items = [item for text in texts for item in parse_limits(what, text)]
    return tuple(sorted(dict.fromkeys(items), key=lambda item: item.get_expiry()))


def parse_limits(what: str, text: Any) -> Sequence[RateLimitItem]:
    try:
        from limits import parse_many
    except ImportError as exc:
        raise missing_extra("rateLimit", "limits", exc) from exc
    refused = SettingsError(f"{what}={text!r} is refused: {_ACCEPTS}")
    try:
        items = parse_many(text)
    except ValueError as exc:
        raise refused from exc
    if _EVERY_ZERO.search(text):
        raise refused
    if any(item.amount < 1 for item in items):
        raise SettingsError(
            f"{what}={text!r} is refused: a limit is at least 1; do not register a method that nobody may call"
        )
    return items


def path_rules(value: Any, format_path: Callable[[str], str]) -> Iterator[tuple[str, Rule]]:
    formatted_paths = set()
    for path, limits in named_limits("paths", value):
        formatted = format_path(path)
        if formatted in formatted_paths:
            raise SettingsError(f"rateLimit['paths'] is refused: it names the path {formatted!r} twice")
        formatted_paths.add(formatted)
        yield formatted, Rule(f"path {formatted}", limits)


def method_rules(value: Any) -> Iterator[tuple[str, Rule]]:
    for name, limits in named_limits("methods", value):
        yield name, Rule(f"method {name}", limits)


def named_limits(key: str, value: Any) -> Iterator[tuple[str, tuple[RateLimitItem, ...]]]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise SettingsError(f"rateLimit[{key!r}]={value!r} is refused: it takes a dict of limits by name")
    for name, limits in value.items():
        yield name, limits_of(f"rateLimit[{key!r}][{name!r}]", limits)


def checked_identity(identity: Callable[[Any], object] | None) -> Callable[[Any], object] | None:
    """Return the identity function.

    Raises:
        SettingsError: It cannot be called with one positional argument.
    """
    if identity is None:
        return None
    accepts = "it takes a plain function of one parameter, the request, that returns a string or None"
    refused = SettingsError(f"rateLimit['identity']={identity!r} is refused: {accepts}")
    if not callable(identity) or inspect.iscoroutinefunction(identity):
        raise refused
    try:
        read_signature(identity).bind(None)
    except TypeError as exc:
        raise refused from exc
    except ValueError:  # a built-in that has no signature
        pass
    return identity


def checked_strategy(strategy: Any) -> str:
    if strategy not in STRATEGIES:
        raise SettingsError(unknown_name("rateLimit strategy", strategy, STRATEGIES))
    return str(strategy)


def checked_storage(storage: Any) -> str:
    # Without the value in the message: it may hold a password.
    if not isinstance(storage, str) or "://" not in storage or not scheme_of(storage):
        raise SettingsError("rateLimit['storage'] is refused: it takes a URI such as 'redis://127.0.0.1:6379/0'")
    if scheme_of(storage) not in (IN_MEMORY, *SHARED):
        raise SettingsError(unknown_name("scheme of rateLimit['storage']", scheme_of(storage), (IN_MEMORY, *SHARED)))
    return storage


def checked_count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise SettingsError(f"rateLimit['maxCounters']={value!r} is refused: it takes a whole number of at least 1")
    return value


def scheme_of(uri: str) -> str:
    """Return the scheme of a URI, its only part that messages may show."""
    try:
        return urlsplit(uri).scheme
    except ValueError:
        return ""
