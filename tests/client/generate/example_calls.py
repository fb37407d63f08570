"""The calls that generated clients of the examples make: a row for each example that serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(frozen=True)
class Row:
    """The calls of one example.

    Attributes:
        call: Calls it by its generated module of Python, whose URL it is served at, and by that URL.
        script: An expression of JavaScript that calls it by its generated module, `client`.
        result: The value of the expression.
        headers: Header fields of the request for the document.
        is_program: Whether it runs as a program of its own, and not in the process of the tests.
    """

    call: Callable[[Any, str], None]
    script: str
    result: Any
    headers: dict[str, str] = field(default_factory=dict)
    is_program: bool = False


TREASURE = "the treasure is under the palm tree"
REPORT = {"year": 2024, "sundays": 52, "made in": "celery"}


def call_auth(module, _):
    with module.Api(auth="sesame") as api:
        assert api.secret() == TREASURE


def call_call_async(module, _):
    with module.Api() as api:
        assert api.digest("a") == api.digest_in_time("a")
        assert set(api.digests("a,b")) == {"a", "b"}
        with pytest.raises(module.NoText):
            api.digest("")


def call_custom_exec_backend(module, _):
    with module.Api() as api:
        first = api.deposit(5)
        assert api.deposit(amount=2) == first + 2


def call_custom_serving_backend(module, _):
    with module.Api() as api:
        assert api.echo({"a": [1]}) == {"a": [1]}


def call_flask_merge(module, _):
    with module.Api() as api:
        assert api.visits() == {"visits": 1, "endpoint": "/api"}


def call_flask_mount(module, _):
    with module.Api() as api:
        assert api.whoami() == {"ip": "127.0.0.1", "path": "/api"}


def call_mcp_everything(module, _):
    with module.Api() as api:
        assert api.simple_text() == SIMPLE_TEXT


def call_mcp_flask(module, _):
    with module.Api() as api:
        assert api.find_orders("tea") == [7]


def call_jsonp_page(module, _):
    with module.Api() as api:
        assert api.greet("Ann") == "Hello, Ann!"


def call_locks(module, _):
    with module.Api() as api:
        assert (api.status(), api.close_(), api.status()) == ("open", "closed", "closed")
        assert (api.open(), api.status(), api.price("tea")) == ("open", "open", 3)


def call_multiple(module, _):
    with module.Api() as api:
        assert api.where() == "127.0.0.1"


def call_notify(module, _):
    with module.Api() as api:
        api.notify.mail("ann")
        assert api.sent() == ["ann"]


def call_primes(module, _):
    with module.Api() as api:
        assert api.largest(30, count=2) == [29, 23]
        assert api.progress() == 100


def call_reload_globals(module, _):
    with module.Api() as api:
        assert api.price(net=100) == "120 (standard, 20 %)"


def call_reload_script(module, _):
    with module.Api() as api:
        assert (api.greet("Ann"), api.upgrade(), api.greet("Ann")) == ("Hello, Ann!", True, "Hello, Ann!")


def call_reload_state(module, _):
    with module.Api() as api:
        assert (api.visit("Ann"), api.upgrade(), api.visit("Bob")) == (["Ann"], True, ["Ann", "Bob"])


def call_report(module, _):
    with module.Api(timeout=50) as api:
        assert api.report(2024) == REPORT
        assert api.notify.archive(2024) is None


def call_restart(module, _):
    with module.Api() as api:
        assert {api.restart() for _ in range(2)} == {"it restarts after this answer"}


def call_simple(module, url):
    with module.Server() as server:
        assert server.api.add(2, b=3) == 5
        assert server.api.plus(0.5) == 1.5
        assert server.api.echo({"a": [1]}) == {"a": [1]}
        assert server.api.whoami()["ip"] == "127.0.0.1"
        assert server.api_shop.buy("tea") == 2
        assert server.api_shop.stock() == {"tea": 2, "coffee": 0}
        with pytest.raises(module.OutOfStock) as raised:
            server.api_shop.buy("coffee", 3)
        with server.api.batch() as batch:
            pending = [batch.add(number) for number in range(3)]
    with module.Api(f"{url}/api") as api:
        assert api.add(1) == 2

    assert raised.value.data == {"item": "coffee", "left": 0}
    assert [call.result() for call in pending] == batch.results() == [1, 2, 3]
    assert asyncio.run(calls_of_simple(module)) == ([1, 2, 3, 4, 5], {"tea": 2, "coffee": 0})


async def calls_of_simple(module):
    async with module.AsyncServer() as server:
        sums = await asyncio.gather(*(server.api.add(number) for number in range(5)))
        return sums, await server.api_shop.stock()


SIMPLE_TEXT = "This is a simple text response for testing."

ROWS = {
    "auth": Row(
        call_auth,
        'new client.Api(undefined, { headers: { Authorization: "Bearer sesame" } }).secret()',
        TREASURE,
        headers={"Authorization": "Bearer sesame"},
    ),
    "call_async": Row(call_call_async, 'new client.Api().digest("tea")', "8f75906e95b3085b"),
    "custom_exec_backend": Row(call_custom_exec_backend, "new client.Api().deposit(3)", 10),
    "custom_serving_backend": Row(call_custom_serving_backend, "new client.Api().echo([1])", [1]),
    "flask_merge": Row(call_flask_merge, "new client.Api().visits()", {"visits": 1, "endpoint": "/api"}),
    "flask_mount": Row(
        call_flask_mount, "new client.Api().whoami()", {"ip": "127.0.0.1", "path": "/api"}, is_program=True
    ),
    "jsonp_page": Row(call_jsonp_page, 'new client.Api().greet("Bob")', "Hello, Bob!"),
    "locks": Row(call_locks, "new client.Api().status()", "open"),
    "mcp_everything": Row(call_mcp_everything, "new client.Api().simple_text()", SIMPLE_TEXT, is_program=True),
    "mcp_flask": Row(call_mcp_flask, 'new client.Api().find_orders("coffee")', [8], is_program=True),
    "multiple": Row(call_multiple, "new client.Api().where()", "127.0.0.1"),
    "notify": Row(call_notify, "new client.Api().sent()", ["ann"]),
    "primes": Row(call_primes, "new client.Api().largest(30, 2)", [29, 23]),
    "reload_globals": Row(call_reload_globals, "new client.Api().price(100)", "120 (standard, 20 %)"),
    # These load the script of their main program again, use a broker and a worker, or restart.
    "reload_script": Row(call_reload_script, 'new client.Api().greet("Bob")', "Hello, Bob!", is_program=True),
    "reload_state": Row(call_reload_state, 'new client.Api().visit("Eve")', ["Ann", "Bob", "Eve"], is_program=True),
    "report": Row(call_report, "new client.Api().report(2024)", REPORT, is_program=True),
    "restart": Row(call_restart, "new client.Api().restart()", "it restarts after this answer", is_program=True),
    "simple": Row(call_simple, "new client.Server().api.plus(2, 3)", 5),
}

NOT_SERVED = {"client": "it is a client, and serves nothing"}
