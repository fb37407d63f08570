"""Calls in the way of a protocol that writes its answers itself, in process."""

import time

import pytest

from flaskJSONRPCServer import JsonRpcException
from flaskJSONRPCServer.dispatch.exchange import Exchange
from flaskJSONRPCServer.http.request import RequestOptions
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcRequest
from tests.helpers import environ_of, post, rpc


class Client:
    """Makes calls of a server in the way of a protocol that has controls."""

    def __init__(self, server):
        self.server = server
        server.getWSGI()
        self._engine = server._engine

    def call(self, control, method, *params, path="/api/", answerer=None):
        head = environ_of(post(rpc("any")))
        exchange = Exchange(head, self._engine.stats.thread_counters(), RequestOptions(new_id=lambda: "an id"))
        exchange.arrived_at = time.monotonic()
        exchange.control = control
        endpoint = self._engine.router.table.endpoints[path]
        answerer = answerer or self._engine.pipeline().steps.answerer
        return answerer.result(JsonRpcRequest(method, list(params), 1), endpoint, exchange)

    def error(self, control, method, *params, **options):
        with pytest.raises(JsonRpcException) as caught:
            self.call(control, method, *params, **options)
        return caught.value.get_error()


class Reports(list):
    """The progress of a call."""

    def __call__(self, *progress):
        self.append(progress)
