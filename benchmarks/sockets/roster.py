"""The contestants."""

from collections.abc import Iterable
from dataclasses import dataclass

from .loads import LOADS, MAIN, MEGABYTES, SINGLE, Load

# The backend of `auto` first: with --quick it represents all.
BACKENDS = ("native", "granian", "pywsgi", "werkzeug")

OURS, BARE, VIA_FLASK, FLASK_VIEW, PEER = "ours", "bare WSGI", "ours via Flask", "bare Flask view", "peer"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server.

    Attributes:
        name: Its name in the tables.
        kind: OURS, BARE, VIA_FLASK, FLASK_VIEW or PEER.
        environment: The name of its environment.
        script: Its file in ``benchmarks/peers``.
        shows: The packages whose versions the table shows.
        arguments: Its command-line arguments after the port.
        loads: The loads that it gets.
        backend: Our serving backend that it runs on; empty for a peer.
        json: The JSON module, if that varies.
    """

    name: str
    kind: str
    environment: str
    script: str
    shows: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    loads: tuple[Load, ...] = MAIN
    backend: str = ""
    json: str = ""


def on_backend(kind: str, backend: str, json: str, loads: tuple[Load, ...]) -> Contestant:
    is_ours, is_flask = kind in {OURS, VIA_FLASK}, kind in {VIA_FLASK, FLASK_VIEW}
    label = kind.replace("ours", "flaskJSONRPCServer")
    return Contestant(
        f"{label}, {backend}, {json}",
        kind,
        "ours",
        "ours.py" if is_ours else "bare.py",
        (*(["flaskJSONRPCServer"] if is_ours else []), *(["flask"] if is_flask else []), backend, json),
        ("--backend", backend, "--json", json, *(["--via-flask"] if is_flask else [])),
        loads,
        backend,
        json,
    )


def contestants_on(backend: str) -> list[Contestant]:
    """Return the contestants on one serving backend; compared ones are adjacent."""
    return [
        on_backend(OURS, backend, "orjson", LOADS),
        on_backend(BARE, backend, "orjson", (SINGLE, MEGABYTES)),
        on_backend(OURS, backend, "simplejson", MAIN),
        on_backend(BARE, backend, "simplejson", (SINGLE,)),
        on_backend(VIA_FLASK, backend, "simplejson", (SINGLE,)),
        on_backend(FLASK_VIEW, backend, "simplejson", (SINGLE,)),
    ]


PEERS = (
    Contestant("jayson, Node http", PEER, "jayson", "jayson_http.js", ("jayson",)),
    Contestant("pjrpc, aiohttp", PEER, "pjrpc", "pjrpc_aiohttp.py", ("pjrpc", "aiohttp")),
    Contestant(
        "fastapi-jsonrpc, uvicorn",
        PEER,
        "fastapi-jsonrpc",
        "fastapi_jsonrpc_uvicorn.py",
        ("fastapi-jsonrpc", "fastapi", "uvicorn"),
    ),
    Contestant("bare WSGI, cheroot", PEER, "cheroot", "cheroot_bare.py", ("cheroot", "orjson")),
    Contestant("tinyrpc, pywsgi", PEER, "tinyrpc", "tinyrpc_pywsgi.py", ("tinyrpc", "gevent")),
    Contestant("json-rpc, werkzeug", PEER, "json-rpc", "json_rpc_werkzeug.py", ("json-rpc", "werkzeug")),
    Contestant("Flask-JSONRPC, Flask", PEER, "flask-jsonrpc", "flask_jsonrpc_flask.py", ("flask-jsonrpc", "flask")),
    Contestant(
        "jsonrpcserver, Flask", PEER, "jsonrpcserver", "jsonrpcserver_flask.py", ("jsonrpcserver", "flask", "werkzeug")
    ),
    Contestant("jsonrpcserver, its serve()", PEER, "jsonrpcserver", "jsonrpcserver_serve.py", ("jsonrpcserver",)),
    Contestant(
        "flaskJSONRPCServer 0.9.3",
        PEER,
        "old",
        "flaskjsonrpcserver_old.py",
        ("flaskjsonrpcserver", "flask", "werkzeug"),
    ),
)


def roster(backends: Iterable[str]) -> list[Contestant]:
    """Return all contestants, with ours on these serving backends."""
    return [*(one for backend in backends for one in contestants_on(backend)), *PEERS]


def chosen(
    everybody: Iterable[Contestant], names: list[str], workloads: list[str]
) -> list[tuple[Contestant, list[Load]]]:
    """Return the chosen contestants with their loads.

    Args:
        everybody: The contestants.
        names: Parts of the names of contestants; empty for all.
        workloads: The names of loads; empty for all.
    """

    def is_named(contestant: Contestant) -> bool:
        return not names or any(name.lower() in contestant.name.lower() for name in names)

    def is_wanted(load: Load) -> bool:
        return not workloads or load.name in workloads

    plan = [(one, [*filter(is_wanted, one.loads)]) for one in everybody if is_named(one)]
    return [(one, loads) for one, loads in plan if loads]
