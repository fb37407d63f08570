"""The API that every server of the wire table has, and the configurations of these servers."""

import functools
import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError

SECRET = "/secret/path tok123"


class OutOfStock(JsonRpcApplicationError):
    ERROR_CODE = 4242
    ERROR_MESSAGE = "Out of stock"


class Colour(Enum):
    RED = "red"


class Level(Enum):
    HIGH = 3


@dataclass
class Point:
    x: int
    y: Any


class Pair(NamedTuple):
    left: int
    right: int


def echo(value):
    return value


def add(a, b):
    return a + b


def defaults(a, b=2, c=3):
    return [a, b, c]


def star(*args):
    return list(args)


def named(**kwargs):
    return kwargs


def everything(a, *args, k=1, **kwargs):
    return [a, list(args), k, kwargs]


def keyword_only(*, a, b=5):
    return [a, b]


def positional_only(a, b=2, /):
    return [a, b]


def no_params():
    return "none"


def magic_last(a, _connection):
    return [a, _connection.dispatcherName]


def magic_first(_connection, a):
    return [a, _connection.path]


def magic_middle(a, _connection, b=2):
    return [a, _connection.notify, b]


def magic_keyword(a, *args, _connection):
    return [a, list(args), _connection.serverName]


def magic_named(_connection, **kwargs):
    return [_connection.dispatcherName, kwargs]


def fail():
    raise Exception(SECRET)


def type_error_inside():
    return "text" + 1


def leave():
    raise SystemExit(SECRET)


def application_error(code=None, data=None):
    raise JsonRpcApplicationError("chosen", code=code, data=data)


def out_of_stock():
    raise OutOfStock(data={"left": 0})


def refuse_params():
    raise JsonRpcInvalidParamsError("Invalid params: not that one")


def bad_error_data():
    raise JsonRpcApplicationError("chosen", code=5, data=object())


def nothing():
    return None


def unserialisable():
    return object()


def not_a_number():
    return float("nan")


def infinite():
    return [float("inf")]


def surrogate():
    return "\ud800"


def circular():
    circle = []
    circle.append(circle)
    return circle


def deep():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def long_integer():
    return 10**5000


def tuple_key():
    return {(1, 2): 3}


def script():
    return "</script> \u2028 \u2029"


def ip(_connection):
    return _connection.ip


def about(_connection):
    return [_connection.path, _connection.dispatcherName, _connection.notify, _connection.jsonp, _connection.mimeType]


def read_request(_connection):
    return [_connection.headers["X-Some"], _connection.cookies]


def set_headers(headers, _connection):
    _connection.headersOut.update(headers)
    return True


def set_cookies(cookies, _connection):
    _connection.cookiesOut.extend(cookies)
    return True


def set_type(mime_type, _connection):
    _connection.mimeType = mime_type
    return True


def set_jsonp(output_format, _connection):
    _connection.jsonp = output_format
    return True


def clear_jsonp(_connection):
    _connection["jsonp"] = False
    return True


def blob(size):
    return "x" * int(size)


def blob_compressed(size, _connection):
    _connection.allowCompress = True
    return "x" * int(size)


def blob_plain(size, _connection):
    _connection.allowCompress = False
    return "x" * int(size)


def decimals():
    return Decimal("1.10")


def moments():
    utc = timezone.utc
    return [datetime(2024, 2, 29, 12, 30, tzinfo=utc), datetime(2024, 2, 29, 1, 2, 3, 4), date(2024, 2, 29), time(1, 2)]


def durations():
    return timedelta(minutes=1, milliseconds=500)


def identifiers():
    return [uuid.UUID(int=1), PurePosixPath("/a/b")]


def enums():
    return [Colour.RED, Level.HIGH]


def records():
    return [Point(1, Decimal("2.5")), Pair(1, 2)]


def sets():
    return [{3, 1, 2}, frozenset({"b", "a"})]


def binary():
    return [b"\xff\x00", bytearray(b"a"), memoryview(b"b")]


def keys():
    return {1: "a", False: "b", None: "c", 1.5: "d"}


def _aliased():
    return "aliased"


_aliased._alias = ["first_alias", "second_alias"]


class Counter:
    """Methods of every kind."""

    attribute = 1

    class Inner:
        """Must not be callable."""

    def __init__(self):
        self.start = 10
        self.callable_attribute = len

    def plus(self, number):
        return self.start + number

    @classmethod
    def kind(cls):
        return cls.__name__

    @staticmethod
    def twice(number):
        return 2 * number

    @property
    def secret(self):
        raise AssertionError("a property was read")

    def _hidden(self):
        raise AssertionError("a hidden method was called")

    def renamed(self):
        return "renamed"

    renamed._alias = "also"


class CallableObject:
    def __call__(self, value):
        return [value]


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
def decorated(first, second=2):
    return [first, second]


FUNCTIONS = (
    echo,
    add,
    defaults,
    star,
    named,
    everything,
    keyword_only,
    positional_only,
    no_params,
    fail,
    type_error_inside,
    leave,
    application_error,
    out_of_stock,
    refuse_params,
    bad_error_data,
    nothing,
    unserialisable,
    not_a_number,
    infinite,
    surrogate,
    circular,
    deep,
    long_integer,
    tuple_key,
    script,
    blob,
    decimals,
    moments,
    durations,
    identifiers,
    enums,
    records,
    sets,
    binary,
    keys,
    decorated,
)

MAGIC_FUNCTIONS = (
    magic_last,
    magic_first,
    magic_middle,
    magic_keyword,
    magic_named,
    ip,
    about,
    read_request,
    set_headers,
    set_cookies,
    set_type,
    set_jsonp,
    clear_jsonp,
    blob_compressed,
    blob_plain,
)


def renamed_magic(a, ctx):
    return [a, ctx.dispatcherName]


def plain_connection(_connection):
    return _connection


def register_api(server):
    """Register the API of the wire table."""
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api")
    for function in (
        MAGIC_FUNCTIONS if server.settings.magicVarForDispatcher == "_connection" else (renamed_magic, plain_connection)
    ):
        server.registerFunction(function, path="/api")
    server.registerFunction(_aliased, path="/api", name="aliased")
    server.registerFunction(lambda value: [value, "lambda"], path="/api", name="lambda")
    server.registerFunction(functools.partial(add, 40), path="/api", name="partial")
    server.registerFunction(Counter().plus, path="/api", name="bound")
    server.registerFunction(CallableObject(), path="/api", name="object")
    server.registerFunction(max, path="/api", name="builtin")
    server.registerFunction(echo, path="/api", name="привет")
    server.registerFunction(echo, path="/api", name="b_only_post", fallback=False)
    server.registerFunction(echo, path="/api", name="only_get_when_asked", fallback=True)
    server.registerFunction(echo, path="/api", name="formatted", fallback="%(callback)s && %(callback)s(%(data)s)")
    server.registerFunction(echo, path="/api", name="bare_format", fallback="window.x = %s;")
    server.registerInstance(Counter(), path="/counter")
    server.registerFunction(echo, path="", name="at_root")
    server.registerFunction(add, path="/a/b/c")
    server.registerFunction(echo, path="/дом")


def authorise(server, path, request, method):
    """Return the value that the header X-Auth names, or check the other arguments."""
    values = {"yes": True, "one": 1, "text": "yes", "none": None, "no": False}
    token = request.headers.get("X-Auth", "no")
    if token == "raise":
        raise RuntimeError(SECRET)
    if token == "body":
        return b'"echo"' in request["data"]
    if token == "arguments":
        is_post = path == "/api/" and method is None and request.method == "POST"
        is_get = path == "/api/" and method == "echo" and request.method == "GET" and request.args == {"value": "1"}
        return server.name == "table" and request.remote_addr == "127.0.0.1" and (is_post or is_get)
    return values[token]


CUSTOM_JSON = SimpleNamespace(
    loads=json.loads,
    dumps=lambda value, default=None: json.dumps(value, default=default, separators=(",", ":"), ensure_ascii=False),
)

CONFIGURATIONS = {
    "plain": {},
    "loopback": {"bindAdress": ["127.0.0.1", 0]},
    "debug": {"debug": True},
    "blocking": {"blocking": True},
    "no_fallback": {"fallback": False},
    "cors": {"cors": True},
    "cors_list": {
        "cors": {
            "origin": ["https://a.test", "https://b.test"],
            "methods": ["POST", "GET"],
            "headers": ["X-Some", "Content-Type"],
            "credentials": True,
            "maxAge": 60,
        }
    },
    "cors_method": {"cors": {"origin": "https://a.test", "method": "POST"}},
    "cors_auth": {"cors": {"origin": "https://a.test"}, "auth": authorise},
    "cors_compress": {"cors": {"origin": "https://a.test"}, "allowCompress": True, "compressMinSize": 100},
    "compress": {"allowCompress": True, "compressMinSize": 100},
    "compress_off": {"allowCompress": False, "compressMinSize": 100},
    "auth": {"auth": authorise},
    "impatient": {"read_timeout_s": 0.2},
    "limits": {
        "max_body_bytes": 200,
        "max_response_bytes": 300,
        "max_batch_length": 3,
        "max_nesting_depth": 5,
        "max_integer_digits": 20,
        "max_header_count": 6,
        "max_url_bytes": 60,
    },
    "hosts": {"allowed_hosts": ["api.test"]},
    "origins": {"allowed_origins": ["https://a.test"]},
    "proxies": {"trusted_proxies": ["127.0.0.2", "127.0.0.3"]},
    "media": {"media_types": ["application/vnd.api+json"]},
    "magic": {"magicVarForDispatcher": "ctx"},
    "json": {"jsonBackend": "json"},
    "simplejson": {"jsonBackend": "simplejson"},
    "orjson": {"jsonBackend": "orjson"},
    "msgspec": {"jsonBackend": "msgspec"},
    "rapidjson": {"jsonBackend": "rapidjson"},
    "custom": {"jsonBackend": CUSTOM_JSON},
}

JSON_CONFIGURATIONS = ("json", "simplejson", "orjson", "msgspec", "rapidjson", "custom")


def make_server(configuration, **options):
    """Make a server of the wire table, with its API."""
    options = {"bindAdress": None, "log": False, "name": "table", **CONFIGURATIONS[configuration], **options}
    server = flaskJSONRPCServer(**options)
    register_api(server)
    return server
