"""The members of the server and of the magic variable that cannot work in a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ...dispatch.connection import FieldsAsKeys
from ...dispatch.facade import ServerFacade
from ...errors import ServerStateError

__all__ = ["WorkerTools", "refuse_locks"]

_SERVER_METHODS = ("lock", "unlock", "wait", "_deepLock", "_deepUnlock")


class WorkerTools(FieldsAsKeys):
    """``_connection.call`` in a worker: ``sleep`` and ``log`` work, the tools of the server's process refuse.

    Args:
        tools: The tools of the server in this process.
    """

    def __init__(self, tools: Any) -> None:
        self.sleep = tools.sleep
        self.log = tools.log
        for name in ("lockThis", "unlockThis", "waitThis", "lock", "unlock", "wait", "copyGlobal", "eval", "execute"):
            setattr(self, name, refusing(f"_connection.call.{name}()"))


def refuse_locks(facade: ServerFacade) -> None:
    """Replace the methods of a server that hold its calls: the calls are held in the server's process, not here."""
    for name in _SERVER_METHODS:
        setattr(facade, name, refusing(f"server.{name}()"))


def refusing(name: str) -> Callable[..., NoReturn]:
    """Return a function that raises ServerStateError, for a member that needs the server's process."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ServerStateError(
            f"{name} cannot work in a celery worker; calls are held in the server's process: do it there, in a "
            "dispatcher with dispatcherBackend='simple'"
        )

    return refuse
