"""The applications that ``benchmarks.celery_overhead`` compares: a bare Celery application and a server of ours."""

import os

from celery import Celery

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend

BROKER = os.environ.get("CELERY_OVERHEAD_BROKER", "redis://127.0.0.1:6379/0")

bare = Celery("bare", broker=BROKER, backend=BROKER, set_as_current=False)
bare.conf.update(task_default_queue="bare", broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1)


@bare.task(name="add")
def add(a: float, b: float) -> float:
    return a + b


server = flaskJSONRPCServer(None, log=1, name="ours", dispatcherBackend=CeleryBackend(BROKER, "rpc://", "ours"))
server.registerFunction(lambda a, b: a + b, path="/api", name="add")
celery = server.celery
