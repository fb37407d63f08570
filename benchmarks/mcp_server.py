"""Our server for the benchmark of the Model Context Protocol. It prints its port."""

import sys

from flaskJSONRPCServer import flaskJSONRPCServer


def add(a: int, b: int) -> int:
    return a + b


def main():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, jsonBackend="orjson")
    server.registerFunction(add, path="/api", mcp=True)
    server.start()
    print(server.addresses[0][1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
