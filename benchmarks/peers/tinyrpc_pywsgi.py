"""tinyrpc on gevent's pywsgi, as in its README."""

import sys
from typing import Any

import gevent
import gevent.pywsgi
import gevent.queue
from tinyrpc.dispatch import RPCDispatcher
from tinyrpc.protocols.jsonrpc import JSONRPCProtocol
from tinyrpc.server.gevent import RPCServerGreenlets
from tinyrpc.transports.wsgi import WsgiServerTransport

dispatcher = RPCDispatcher()
# Its default limit is 4 KB.
transport = WsgiServerTransport(max_content_length=1_000_000, queue_class=gevent.queue.Queue)


@dispatcher.public
def add(a: int, b: int) -> int:
    return a + b


@dispatcher.public
def echo(payload: Any) -> Any:
    return payload


@dispatcher.public
def nap() -> None:
    gevent.sleep(0.005)


wsgi_server = gevent.pywsgi.WSGIServer(("127.0.0.1", int(sys.argv[1])), transport.handle)
gevent.spawn(wsgi_server.serve_forever)
RPCServerGreenlets(transport, JSONRPCProtocol(), dispatcher).serve_forever()
