"""Results are written by the hint of the function, and checked if that is asked for."""

import dataclasses
import datetime
import decimal
import ipaddress
import itertools
import uuid

import pytest
from pydantic import BaseModel, Field, field_serializer
from typing_extensions import TypedDict

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from tests.helpers import call_wsgi, post, rpc

DAY = datetime.date(2024, 2, 29)
NOON = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
ID = uuid.UUID(int=5)


@dataclasses.dataclass
class Visit:
    day: datetime.date
    length: datetime.timedelta
    photo: bytes
    tags: set[str]
    price: decimal.Decimal


class Guest(BaseModel):
    name: str = Field(serialization_alias="fullName")
    visits: list[Visit] = []


class Hidden(BaseModel):
    secret: str = Field(exclude=True)
    at: datetime.datetime

    @field_serializer("at")
    def shown(self, at: datetime.datetime) -> str:
        return f"at {at.hour}"


class Row(TypedDict):
    day: datetime.date


VISIT = Visit(DAY, datetime.timedelta(seconds=90), b"\xff\xfb", {"b", "a", "c"}, decimal.Decimal("1.10"))
VISIT_JSON = {"day": "2024-02-29", "length": 90.0, "photo": "//s=", "tags": ["a", "b", "c"], "price": "1.10"}


def function_of(hint, result):
    def function():
        if isinstance(result, BaseException):
            raise result
        return result

    function.__annotations__ = {"return": hint}
    return function


def call(function, json_backend="simplejson", log=False, **options):
    server = flaskJSONRPCServer(None, log=log, jsonBackend=json_backend)
    server.registerFunction(function, path="/api", **options)
    return call_wsgi(server.getWSGI(), post(rpc("function"))).json()


@pytest.mark.parametrize("json_backend", ["simplejson", "json", "orjson", "msgspec"])
@pytest.mark.parametrize(
    ("hint", "result", "written"),
    [
        (datetime.date, DAY, "2024-02-29"),
        (datetime.datetime, NOON, "2024-02-29T12:00:00+00:00"),
        (datetime.timedelta, datetime.timedelta(days=1), 86400.0),
        (bytes, b"\xff\xfb", "//s="),
        (set[str], {"b", "a"}, ["a", "b"]),
        (decimal.Decimal, decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID, ID, str(ID)),
        (ipaddress.IPv4Address, ipaddress.IPv4Address("192.0.2.1"), "192.0.2.1"),
        (Visit, VISIT, VISIT_JSON),
        (Guest, Guest(name="Ada", visits=[VISIT]), {"fullName": "Ada", "visits": [VISIT_JSON]}),
        (Hidden, Hidden(secret="s", at=NOON), {"at": "at 12"}),
        (dict[datetime.date, int], {DAY: 1}, {"2024-02-29": 1}),
        (list[Row], [{"day": DAY}], [{"day": "2024-02-29"}]),
        (Guest | None, None, None),
        (int, 3, 3),
        # Values of other types are written as they are.
        (datetime.date, "soon", "soon"),
        (Guest, {"name": "Ada"}, {"name": "Ada"}),
        (int, "three", "three"),
        (None, 5, 5),
    ],
)
def test_result_is_written_by_its_hint(hint, result, written, json_backend):
    assert call(function_of(hint, result), json_backend)["result"] == written


def test_types_with_a_documented_form_are_written_like_those_without_hints():
    def unhinted():
        return VISIT

    hinted = call(function_of(Visit, VISIT))["result"]
    assert call(unhinted, name="function")["result"] == hinted


@pytest.mark.parametrize(
    ("hint", "result"),
    [
        (int, "3"),
        (int, None),
        (int, True),
        (list[int], [1, "2"]),
        (Visit, {"day": 5}),
        (datetime.date, "soon"),
        (None, 5),
    ],
)
def test_wrong_result_is_an_internal_error_if_results_are_checked(hint, result):
    answer = call(function_of(hint, result), validateResult=True)

    assert (answer["error"]["code"], answer["error"]["message"]) == (-32603, "Internal error")
    assert set(answer["error"]["data"]) == {"correlationId"}


@pytest.mark.parametrize(
    ("hint", "result"), [(int, 3), (Visit, VISIT), (Guest, {"name": "Ada"}), (datetime.date, DAY), (None, None)]
)
def test_right_result_passes_the_check(hint, result):
    assert "result" in call(function_of(hint, result), validateResult=True)


@pytest.mark.parametrize(
    ("hint", "backend"),
    [*itertools.product([int, Visit, list[Visit], None], ["simple", "threaded"]), (Visit, "parallel")],
)
def test_error_of_the_function_is_not_hidden_by_the_check(hint, backend):
    error = JsonRpcApplicationError("sold out", code=7, data={"left": 0})
    answer = call(function_of(hint, error), validateResult=True, dispatcherBackend=backend)
    assert answer["error"] == {"code": 7, "message": "sold out", "data": {"left": 0}}


def test_unexpected_exception_of_the_function_is_logged_rather_than_a_wrong_result(caplog):
    answer = call(function_of(Visit, ZeroDivisionError("of the function")), log=1, validateResult=True)
    assert answer["error"]["code"] == -32603
    assert "of the function" in caplog.text
    assert "InvalidResultError" not in caplog.text


def test_own_json_forms_decide():
    class Server(flaskJSONRPCServer):
        def _fixJSON(self, o):
            return o.timestamp() if isinstance(o, datetime.datetime) else super()._fixJSON(o)

    class Event(BaseModel):
        at: datetime.datetime

    server = Server(None, log=False)
    server.registerFunction(function_of(Event, Event(at=NOON)), path="/api")
    answer = call_wsgi(server.getWSGI(), post(rpc("function"))).json()
    assert answer["result"] == {"at": NOON.timestamp()}


def test_result_without_a_json_form_is_an_internal_error():
    assert call(function_of(list[int], [object()]))["error"]["code"] == -32603
    assert call(function_of(Guest, object()))["error"]["code"] == -32603


def test_object_of_another_class_shows_the_declared_fields_alone():
    class Record:
        def __init__(self):
            self.name, self.visits, self.password = "Ada", [], "a secret"

    assert call(function_of(Guest, Record()))["result"] == {"fullName": "Ada", "visits": []}
