"""The server of :mod:`.stdio_server`, with an endpoint whose tasks live shortly."""

from tests.mcp.stdio_server import server

server.mcp("/brief", task_ttl=0.2)
