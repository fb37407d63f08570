"""A server with two queues. Its workers import this module too."""

import os

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend


def pid():
    return os.getpid()


def die():
    os.kill(os.getpid(), 9)


def make():
    broker = os.environ["FLASKJSONRPC_CELERY_BROKER"]
    quick = CeleryBackend(broker, queue="quick")
    slow = CeleryBackend(broker, queue="slow", tries=2, backend_id="slow")
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=quick)
    server.registerFunction(pid, path="/quick")
    for function in (pid, die):
        server.registerFunction(function, path="/slow", dispatcherBackend=slow, notifBackend=slow)
    return server
