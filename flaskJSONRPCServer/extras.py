"""Optional dependencies: the requirements of each extra, and the error for a missing one."""

from __future__ import annotations

import re
from typing import Final

from .errors import MissingExtraError

__all__ = ["REQUIREMENTS", "install_command", "missing_extra"]

REQUIREMENTS: Final[dict[str, tuple[str, ...]]] = {
    "fast": ("granian>=2.8.0,<2.9", "orjson>=3.10"),
    "gevent": ("gevent>=24.2",),
    "parallel": ("loky>=3.4", "cloudpickle>=3.0"),
    "celery": ("celery>=5.7,<5.8", "kombu>=5.7,<5.8", "redis>=5.0", "packaging>=23"),
    "msgspec": ("msgspec>=0.19",),
    "reload": ("watchfiles>=0.24",),
    "limits": ("limits>=5.0",),
    "otel": ("opentelemetry-api>=1.30",),
    "metrics": ("prometheus_client>=0.22",),
    "testing": ("jsonschema>=4.23", "referencing>=0.28.4"),
}
"""The packages of each extra, as in ``pyproject.toml``. Errors name the packages and not the extra: the package index
has an old and incompatible release under the name of this package."""


# The packages of modules with other names.
_PACKAGES: Final = {"opentelemetry": "opentelemetry-api"}


def install_command(extra: str, module: str = "") -> str:
    """Return the pip command that installs the packages of an extra.

    Args:
        extra: The extra.
        module: The module to install; empty for all modules of the extra.

    >>> install_command("gevent")
    "pip install 'gevent>=24.2'"
    """
    chosen = [requirement for requirement in REQUIREMENTS[extra] if not module or name_of(requirement) == module]
    return "pip install " + " ".join(f"'{requirement}'" for requirement in chosen)


def missing_extra(what: str, extra: str, exc: ImportError) -> MissingExtraError:
    """Return the error for an optional dependency that cannot be imported.

    Args:
        what: The feature that needs the dependency; the subject of the message.
        extra: The extra that installs it.
        exc: The exception of the import. It may name a module that a package of the extra requires in turn. Installing
            the extra again would not help then, so the message names that module.
    """
    module = (exc.name or "").partition(".")[0]
    module = _PACKAGES.get(module, module)
    if module and module not in map(name_of, REQUIREMENTS[extra]):
        return MissingExtraError(f"{what} needs the module {module!r}, which is missing: pip install {module}")
    return MissingExtraError(f"{what} needs {module or extra}; install it: {install_command(extra)}")


def name_of(requirement: str) -> str:
    """Return the package name of a requirement."""
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]
