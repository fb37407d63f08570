"""The command ``worker``."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence

from ..configuration import configured_by, read
from ..errors import ServerError
from ..runtime.progress import progress
from .errors import CommandError
from .finding import find_server

__all__ = ["work"]


def work(target: str, backend_id: str | None, options: Sequence[str], config: str | None = None) -> None:
    """Run a Celery worker for a server until a signal ends it.

    Args:
        target: The server, as ``MODULE[:SERVER]``.
        backend_id: The ``_id`` of the backend whose calls it runs; None for the first backend with workers.
        options: Options of Celery's worker.
        config: A TOML file of settings.

    Raises:
        CommandError: There is no server, it has no backend with workers, or its module starts it.
    """
    try:
        configuration = read(config)  # first: what follows makes this process a worker
        with contextlib.suppress(ImportError):  # the server will say what is missing
            importlib.import_module("flaskJSONRPCServer.execBackend.celery.command_line").become_worker()
        with configured_by(configuration), progress(f"loading {target}"):
            app = find_server(target, "worker")._engine.exec_backends.celery_app(backend_id)
    except ServerError as exc:
        raise CommandError(exc) from exc
    from ..execBackend.celery.command_line import run_worker
    from ..execBackend.celery.options import masked

    queue, broker = app.rpc_options.queue, masked(app.rpc_options.broker)
    print(f"running the calls of {target} from queue {queue!r} on {broker}", flush=True)
    sys.exit(run_worker(app, options))
