"""A client made with the protocol's own SDK, which runs in an environment of its own: ``python sdk_client.py ORDERS``.

ORDERS is JSON: a list of objects with ``url`` and ``headers``, or with ``command``, and with ``calls``, a list of the
names and arguments of tools. The answer is JSON: for each one, the revision, the names of its tools and the results.
"""

import asyncio
import contextlib
import importlib.metadata
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

try:
    from mcp.shared._httpx_utils import create_mcp_http_client
except ImportError:
    from mcp.client.streamable_http import create_mcp_http_client

IS_FIRST = importlib.metadata.version("mcp").startswith("1.")


@contextlib.asynccontextmanager
async def transport_of(order):
    """Yield the streams of a server, or a transport of it."""
    if "command" in order:
        command, *arguments = order["command"]
        environment = {**os.environ, **order.get("environment", {})}
        yield stdio_client(StdioServerParameters(command=command, args=arguments, env=environment))
    else:
        async with create_mcp_http_client(headers=order.get("headers")) as http_client:
            yield streamable_http_client(order["url"], http_client=http_client)


@contextlib.asynccontextmanager
async def client_of(order):
    """Yield a client, and the revision that it has agreed on."""
    async with transport_of(order) as transport:
        if IS_FIRST:
            async with transport as (reading, writing, *_), ClientSession(reading, writing) as session:
                yield session, (await session.initialize()).protocolVersion
        else:
            from mcp import Client

            async with Client(transport) as client:
                yield client, client.protocol_version


async def names_in(client):
    """Return the names of all tools, of all pages."""
    names, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = getattr(page, "nextCursor", None) or getattr(page, "next_cursor", None)
        if not cursor:
            return names


async def answered(order):
    async with client_of(order) as (client, revision):
        names = await names_in(client)
        results = [await client.call_tool(name, arguments) for name, arguments in order["calls"]]
    plain = [result.model_dump(mode="json", by_alias=True, exclude_none=True) for result in results]
    return {"revision": revision, "tools": names, "results": plain}


async def reported(order):
    try:
        return await answered(order)
    except BaseException:
        print(f"failed: {order}", file=sys.stderr)
        raise


async def main():
    print(json.dumps(await asyncio.gather(*map(reported, json.loads(sys.argv[1])))))


asyncio.run(main())
