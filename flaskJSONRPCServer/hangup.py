"""SIGHUP under the command ``serve``: load the module again and replace the running server by the new one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ServerStateError
from .lifecycle import Lifecycle
from .runtime.interrupts import is_interrupt
from .runtime.logs import ERROR, INFO, WARNING
from .runtime.patching import patch_refused
from .runtime.sources import FreshModules, script_file
from .start_refusals import starts_refused

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["ModuleReload"]

# The settings that the serving backend was started with. They stay, since its sockets and connections stay open.
_FRONT_SETTINGS = (
    "bindAdress",
    "multipleAdress",
    "servBackend",
    "ssl",
    "tweakDescriptors",
    "backlog",
    "threads",
    "max_concurrent_calls",
    "max_waiting_requests",
    "handshake_timeout_s",
    "head_timeout_s",
    "body_timeout_s",
    "read_timeout_s",
    "idle_timeout_s",
    "request_timeout_s",
    "rate_grace_s",
    "min_body_rate",
    "min_answer_rate",
    "max_connections",
    "max_connections_per_client",
    "max_requests_per_connection",
    "max_buffered_bytes",
    "max_streams",
    "spool_body_bytes",
    "max_spooled_bytes",
    "max_page_body_bytes",
    "max_head_bytes",
    "max_header_count",
    "max_url_bytes",
    "accessLog",
)


class ModuleReload:
    """Loads the module of a running server again each time it is called. The server keeps answering.

    If the module cannot be loaded, or its server could not be started, nothing changes, and the log has the reason.

    Args:
        lifecycle: The life cycle of the running server.
        module_name: The module that made the server.
        find: Returns the server of the module in :data:`sys.modules`, configured by the command line.
        configured: Returns a context manager in which servers are made with the settings of the environment and a file.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        module_name: str,
        find: Callable[[], Any],
        configured: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._lifecycle = lifecycle
        self._module_name = module_name
        self._find = find
        self._configured = configured

    def __call__(self) -> None:
        """Load the module and replace the server by the one that it makes."""
        log = self._lifecycle.facade.log
        log.write(INFO, f"SIGHUP: loading {self._module_name!r} again")
        try:
            with self._configured():
                self._reload()
        except BaseException as exc:  # including SystemExit: a module must not end the server
            if is_interrupt(exc):
                raise
            log.write(ERROR, f"SIGHUP: {self._module_name!r} is not loaded again; all is as before", traceback=True)
        finally:
            # A module and its functions form cycles. With controlGC, the old ones would accumulate for a long time.
            self._lifecycle.facade._controlGC(force=True)

    def _reload(self) -> None:
        fresh = FreshModules()
        try:
            with starts_refused("serve"), patch_refused():
                fresh.load(source_of(self._module_name))
            new, old = self._find(), self._lifecycle.facade
            if new is old:  # another module made it, which has not been loaded again
                new.restart()
                return
            self._lifecycle.replace_server(new._engine, new)
        except BaseException:
            fresh.restore()
            raise
        ignored = front_settings_that_differ(old.settings, new.settings)
        if ignored:
            new.log.write(
                WARNING, f"{', '.join(ignored)}: as at the start of the process; start it again to change that"
            )


def source_of(module_name: str) -> Path:
    """Return the source of an imported module.

    Raises:
        ServerStateError: The module has no file.
    """
    file = getattr(sys.modules[module_name], "__file__", None)
    if file is None:
        raise ServerStateError(f"module {module_name!r} comes from no file; start the process again to change it")
    return script_file(file)


def front_settings_that_differ(old: Settings, new: Settings) -> list[str]:
    """Return the names of the serving backend's settings whose values differ."""
    return [name for name in _FRONT_SETTINGS if getattr(old, name) != getattr(new, name)]
