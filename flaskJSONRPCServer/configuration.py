"""Settings from a TOML file and from the environment, for the command line and ``fromConfig``.

Keywords of the constructor come first, then the environment, then the file, then the defaults. The values are in force
while a server is made, and not set afterwards: some settings matter at the registration of functions.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SettingsError, UnsupportedError, unknown_name
from .settings import OPTIONS, Settings, refusal

__all__ = [
    "PREFIX",
    "Configuration",
    "ConfigurationError",
    "configured_by",
    "current_configuration",
    "parse_address",
    "read",
    "variable_of",
]

# Python 3.10 has no tomllib; tomli is the same.
_toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

PREFIX = "FJRPC_"
"""The beginning of the names of the environment variables."""

_NONE = "none"
_FUNCTIONS = ("auth", "metrics_auth")
_ADDRESSES = ("bindAdress", "metrics_address")
_FLAGS = {"true": True, "false": False}
_DIGIT_FLAGS = {"1": True, "0": False}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_current: ContextVar[Configuration | None] = ContextVar("_current", default=None)


class ConfigurationError(SettingsError):
    """A setting of a file or of the environment is invalid. The message names the place."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Values of settings, and where each comes from.

    Attributes:
        values: The values by the names of the settings. They have passed the checks.
        sources: By the same names, the words that an error uses for the place: a variable, or a key of a file.
    """

    values: Mapping[str, Any] = field(repr=False)  # one may be the secret
    sources: Mapping[str, str]

    def over(self, other: Configuration) -> Configuration:
        """Return these values, and those of the other for all other settings."""
        return Configuration({**other.values, **self.values}, {**other.sources, **self.sources})

    def completed(self, passed: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords of a constructor with the values of all settings that were not passed.

        A ``bindAdress`` of None counts as not passed: it says that the program does not choose the address.

        Raises:
            SettingsError: There is no such function for ``auth``.
        """
        chosen = {name: value for name, value in passed.items() if name != "bindAdress" or value is not None}
        complete: dict[str, Any] = {"bindAdress": None, **self.values, **chosen}
        for name in _FUNCTIONS:
            if name not in chosen and isinstance(complete.get(name), str):
                complete[name] = imported_function(name, complete[name], self.sources[name])
        return complete

    @contextlib.contextmanager
    def named(self, passed: Mapping[str, Any]) -> Iterator[None]:
        """Let an error in the block name the places of the settings that it mentions, unless they were passed."""
        try:
            yield
        except ConfigurationError:  # it names the place already
            raise
        except (SettingsError, UnsupportedError) as exc:
            names = [name for name in self.sources if passed.get(name) is None and self._is_mentioned(name, str(exc))]
            if not names:
                raise
            text = "; ".join([str(exc), *(f"{name} is set by {self.sources[name]}" for name in names)])
            raise (ConfigurationError if isinstance(exc, SettingsError) else type(exc))(text) from exc

    def _is_mentioned(self, name: str, text: str) -> bool:
        """Return whether an error mentions a setting or its value."""
        value = self.values[name]
        return re.search(rf"\b{name}\b", text) is not None or (isinstance(value, str) and repr(value) in text)


def current_configuration() -> Configuration | None:
    """Return the configuration of the servers that are being made; None if there is none."""
    return _current.get()


@contextlib.contextmanager
def configured_by(configuration: Configuration) -> Iterator[None]:
    """Use a configuration for all servers that are made in the block."""
    token = _current.set(configuration)
    try:
        yield
    finally:
        _current.reset(token)


def read(file: str | os.PathLike[str] | None = None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read a file, and the environment over it.

    Args:
        file: The TOML file; None for the environment alone.
        environ: The environment.

    Raises:
        SettingsError: A name is unknown or a value invalid. The message names the variable, or the key and the file.
    """
    from_environment = read_environment(environ)
    return from_environment if file is None else from_environment.over(read_file(Path(file)))


def read_file(path: Path) -> Configuration:
    """Read a TOML file, whose keys are the names of settings.

    Raises:
        SettingsError: It cannot be read, or has an unknown key or an invalid value.
    """
    try:
        table = _toml.loads(path.read_text(encoding="utf-8-sig"))  # editors of Windows write a byte order mark
    except OSError as exc:
        raise ConfigurationError(f"the configuration file {path} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:  # of TOML or of UTF-8
        raise ConfigurationError(f"the configuration file {path} is no TOML: {exc}") from exc
    values, sources = {}, {}
    for name, value in table.items():
        sources[name] = source = f"the key {name!r} of {path}"
        check_known(name, source)
        values[name] = checked(name, [*forms_of_value(name, value), value], value, source)
    return Configuration(values, sources)


def read_environment(environ: Mapping[str, str]) -> Configuration:
    """Read the variables that begin with :data:`PREFIX`. Empty ones count as not set.

    Raises:
        SettingsError: A variable names no setting, has an invalid value, or another one names the same setting.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX) and text.strip():
            name = option_of(variable)
            if name in sources:
                raise ConfigurationError(f"{sources[name]} and {variable} set the same: {name}; remove one of them")
            sources[name] = f"the environment variable {variable}"
            values[name] = checked(name, list(forms_of_text(name, text.strip())), text, sources[name])
    return Configuration(values, sources)


def variable_of(name: str) -> str:
    """Return the usual name of the variable of a setting.

    >>> variable_of("dispatcherBackend")
    'FJRPC_DISPATCHER_BACKEND'
    """
    return PREFIX + _CAMEL.sub("_", name).upper()


def key_of(name: str) -> str:
    """Return the form in which names of variables are compared: without case and underscores."""
    return name.replace("_", "").lower()


_OPTIONS_BY_KEY = {key_of(name): name for name in OPTIONS}


def option_of(variable: str) -> str:
    """Return the setting of a variable.

    Raises:
        SettingsError: There is none.
    """
    name = _OPTIONS_BY_KEY.get(key_of(variable.removeprefix(PREFIX)))
    if name is None:
        raise ConfigurationError(
            f"{unknown_name('environment variable', variable, map(variable_of, OPTIONS))}; variables that begin with "
            f"{PREFIX} are settings"
        )
    return name


def check_known(name: str, source: str) -> None:
    """Check that a key of a file is a setting.

    Raises:
        SettingsError: It is none.
    """
    try:
        Settings.refuse_unknown([name])
    except SettingsError as exc:
        raise ConfigurationError(f"{source}: {exc}") from exc


def checked(name: str, forms: list[Any], given: Any, source: str) -> Any:
    """Return the first form of a value that its setting accepts.

    Raises:
        SettingsError: It accepts none of them.
    """
    option = OPTIONS[name]
    accepted = [form for form in forms if (name in _FUNCTIONS and isinstance(form, str)) or option["check"](form)]
    if not accepted:
        raise ConfigurationError(f"{refusal(name, given)}; change {source}")
    return accepted[0]


def forms_of_text(name: str, text: str) -> Iterator[Any]:
    """Yield the values that the text of a variable may mean, the most likely first."""
    if name in _ADDRESSES and (address := parse_address(text)) is not None:
        yield address
    yield from forms_of_word(text)
    if (value := toml_value(text)) is not None:
        yield value
    if text in _DIGIT_FLAGS:
        yield _DIGIT_FLAGS[text]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    lists: list[Any] = [[scalar(part) for part in parts], parts]
    yield from [*lists, text] if len(parts) > 1 else [text, *lists]


def forms_of_value(name: str, value: Any) -> Iterator[Any]:
    """Yield what a value of a file may mean, other than itself."""
    if value == _NONE:
        yield None
    if name in _ADDRESSES and isinstance(value, str) and (address := parse_address(value)) is not None:
        yield address


def forms_of_word(text: str) -> Iterator[Any]:
    """Yield None or the flag that a text spells, in any case."""
    word = text.lower()
    if word == _NONE:
        yield None
    if word in _FLAGS:
        yield _FLAGS[word]


def scalar(text: str) -> Any:
    """Return a text as the number or other value that it is in TOML, or itself."""
    value = toml_value(text)
    return text if value is None else value


def toml_value(text: str) -> Any:
    """Return the value of a text in TOML's syntax; None if it is none."""
    try:
        table: dict[str, Any] = _toml.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return None
    return table["value"] if len(table) == 1 else None


def parse_address(text: str) -> list[Any] | str | None:
    """Parse ``HOST:PORT``, ``[IPV6]:PORT``, ``unix:PATH``, or a path with a slash, to a value for ``bindAdress``.

    Returns:
        The value; None if the text is none of these.
    """
    path = text.removeprefix("unix:")
    if path and (path != text or "/" in text) and not text.startswith("fd://"):
        return path if "/" in path else f"./{path}"
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_host = bool(bare) and (bare != host or ":" not in host)
    if not is_host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        return None
    return [bare, int(port)]


def imported_function(name: str, path: str, source: str) -> Any:
    """Import the function that ``module:function`` names, for a setting.

    Raises:
        SettingsError: There is no such function.
    """
    module_name, _, function_name = path.partition(":")
    try:
        if not function_name:
            raise AttributeError("it takes 'module:function'")
        function: Any = importlib.import_module(module_name)
        for part in function_name.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError, ValueError, TypeError) as exc:
        raise ConfigurationError(f"{name}={path!r} is refused: {exc}; change {source}") from exc
    return function
