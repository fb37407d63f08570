"""Optional dependencies: what each extra installs, and how to install what is missing."""

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
}
"""The packages of each extra, as in ``pyproject.toml``. Errors name them, and not the extra: the package index has an
old and incompatible release under the name of this package."""


def install_command(extra: str, module: str = "") -> str:
    """Return the pip command that installs what an extra needs.

    Args:
        extra: The extra.
        module: The one of its modules that is wanted; empty for all of them.

    >>> install_command("gevent")
    "pip install 'gevent>=24.2'"
    """
    chosen = [each for each in REQUIREMENTS[extra] if not module or name_of(each) == module]
    return "pip install " + " ".join(f"'{each}'" for each in chosen)


def missing_extra(what: str, extra: str, exc: ImportError) -> MissingExtraError:
    """Return the error for an optional dependency that cannot be imported.

    Args:
        what: What needs it, to begin the sentence with.
        extra: The extra that installs it.
        exc: What the import raised. The module that it names may be one that a package of the extra needs in turn: then
            to install the extra once more would not help.
    """
    module = (exc.name or "").partition(".")[0]
    if module and module not in map(name_of, REQUIREMENTS[extra]):
        return MissingExtraError(f"{what} needs the module {module!r}, which is missing: pip install {module}")
    return MissingExtraError(f"{what} needs {module or extra}; install it: {install_command(extra)}")


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]
