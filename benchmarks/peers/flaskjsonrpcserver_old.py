"""flaskJSONRPCServer 0.9.3, the old one. Python 2.7 runs it."""

import sys
import time

from flaskJSONRPCServer import flaskJSONRPCServer


def add(a, b):
    return a + b


def echo(payload):
    return payload


def nap():
    time.sleep(0.005)


server = flaskJSONRPCServer(["127.0.0.1", int(sys.argv[1])], log=1)
for function in (add, echo, nap):
    server.registerFunction(function, path="/api")
server.serveForever()
