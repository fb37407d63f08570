"""A tool on the server of the official SDK for Python, with JSON answers, in one process of uvicorn."""

import sys

import uvicorn
from mcp.server import MCPServer

server = MCPServer("peer")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


if __name__ == "__main__":
    application = server.streamable_http_app(json_response=True, stateless_http=True)
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
