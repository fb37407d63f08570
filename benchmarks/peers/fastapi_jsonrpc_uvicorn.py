"""fastapi-jsonrpc on uvicorn."""

import asyncio
import sys
from typing import Any

import fastapi_jsonrpc as jsonrpc
import uvicorn
from fastapi import Body

app = jsonrpc.API()
entrypoint = jsonrpc.Entrypoint("/api")


@entrypoint.method()
async def add(a: int = Body(...), b: int = Body(...)) -> int:
    return a + b


@entrypoint.method()
async def echo(payload: Any = Body(...)) -> Any:  # noqa: B008  as its documentation writes parameters
    return payload


@entrypoint.method()
async def nap() -> None:
    await asyncio.sleep(0.005)


app.bind_entrypoint(entrypoint)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
