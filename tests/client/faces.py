"""Both clients with one face, so that each test of behaviour runs over both."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from flaskJSONRPCServer.client import AsyncClient, Client, ClientError
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcException

SENT = (ClientError, JsonRpcException, LookupError)


class Face:
    """A synchronous client: `face.call("add", 1)`, with the options of one call in a dict."""

    def __init__(self, *args, **options):
        self.client = Client(*args, **options)

    def call(self, method, *args, options=None, **kwargs):
        return self._view(options).call(method, *args, **kwargs)

    def notify(self, method, *args, options=None, **kwargs):
        return self._view(options).notify(method, *args, **kwargs)

    def batch(self, fill, options=None):
        """Send the batch that `fill(batch)` makes. Return the batch, and what sending it has raised."""
        raised = None
        try:
            with self._view(options).batch() as batch:
                fill(batch)
        except SENT as exc:
            raised = exc
        return batch, raised

    def run(self, make):
        """Return the result of `make(client)`, which an asynchronous client has to await."""
        return make(self.client)

    @property
    def idle(self):
        """The number of idle connections."""
        return len(self.client._transport._pool)

    def close(self):
        self.client.close()

    def _view(self, options):
        return self.client.options(**options) if options else self.client


class AsyncFace(Face):
    """An asynchronous client, whose coroutines run in an event loop of its own.

    In another thread: after a browser test, Playwright's event loop runs in the main one.
    """

    def __init__(self, *args, **options):
        self.client = AsyncClient(*args, **options)  # first: it may refuse its arguments
        self._threads = ThreadPoolExecutor(1)
        self.loop = asyncio.new_event_loop()

    def call(self, method, *args, options=None, **kwargs):
        return self.wait(self._view(options).call(method, *args, **kwargs))

    def notify(self, method, *args, options=None, **kwargs):
        return self.wait(self._view(options).notify(method, *args, **kwargs))

    def batch(self, fill, options=None):
        async def send():
            raised = None
            try:
                async with self._view(options).batch() as batch:
                    fill(batch)
            except SENT as exc:
                raised = exc
            return batch, raised

        return self.wait(send())

    def run(self, make):
        async def made():
            result = make(self.client)
            return await result if hasattr(result, "__await__") else result

        return self.wait(made())

    def wait(self, coroutine):
        return self._threads.submit(self.loop.run_until_complete, coroutine).result()

    def close(self):
        self.wait(self.client.close())
        self.wait(self.loop.shutdown_asyncgens())
        self._threads.submit(self.loop.close).result()
        self._threads.shutdown()


FACES = {"sync": Face, "async": AsyncFace}
