"""pjrpc on aiohttp."""

import asyncio
import sys
from typing import Any

import pjrpc.server
from aiohttp import web
from pjrpc.server.integration import aiohttp as integration

methods = pjrpc.server.MethodRegistry()


@methods.add()
async def add(a: int, b: int) -> int:
    return a + b


@methods.add()
async def echo(payload: Any) -> Any:
    return payload


@methods.add()
async def nap() -> None:
    await asyncio.sleep(0.005)


application = integration.Application("/api")
application.add_methods(methods)
web.run_app(application.http_app, host="127.0.0.1", port=int(sys.argv[1]))
