"""Celery's command line, as it runs the workers of a server."""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from celery import signals

from .app import CeleryApplication
from .internals import COMMAND_MODULE, exit_status

__all__ = ["become_worker", "resolve_dotted_names", "run_worker"]


def become_worker() -> None:
    """Mark this process as one that runs Celery's command line: servers refuse to start in it."""
    importlib.import_module(COMMAND_MODULE)


def resolve_dotted_names() -> None:
    """Let ``celery -A my_module:server.celery`` find the application. To be called while that module is imported.

    Celery asks the module for a single attribute called ``server.celery``. So each module that is being imported, one
    of which Celery was given, gets a ``__getattr__`` (PEP 562), unless it has its own. Does nothing in other processes.
    """
    frame = inspect.currentframe() if COMMAND_MODULE in sys.modules else None
    while frame is not None:
        names = frame.f_globals
        if frame.f_code.co_name == "<module>" and names["__name__"] != "__main__":
            names.setdefault("__getattr__", functools.partial(dotted_attribute, names))
        frame = frame.f_back


def dotted_attribute(names: Mapping[str, Any], path: str) -> Any:
    """Return the value of a dotted path that begins with a name of a module.

    Raises:
        AttributeError: The path has no dot, or a part of it does not exist.
    """
    first, _, others = path.partition(".")
    if not others or first not in names:
        raise AttributeError(f"module {names['__name__']!r} has no attribute {path!r}")
    return operator.attrgetter(others)(names[first])


def run_worker(app: CeleryApplication, options: Sequence[str]) -> int:
    """Run a worker until a signal ends it; return the exit status of the process, 0 after an orderly end.

    Args:
        app: The application.
        options: CeleryOptions of Celery's worker.
    """
    workers: list[Any] = []

    def remember(instance: Any, **_: Any) -> None:
        workers.append(instance)

    signals.celeryd_after_setup.connect(remember)
    app.worker_main(["worker", *options])  # returns nothing: the status is in the worker
    return exit_status(workers)
