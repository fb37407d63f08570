"""Arguments by name become the parameters of a JSON-RPC call."""

import datetime
import decimal

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.contract.method import Contract
from flaskJSONRPCServer.contract.options import MethodOptions
from flaskJSONRPCServer.contract.tool_params import call_params, is_callable_by_name
from flaskJSONRPCServer.dispatch.callables import parameters_of
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError
from tests.helpers import call_wsgi, post, rpc

DAY = datetime.date(2024, 2, 29)


def plain(a, b=2): ...


def only_first(a, b=2, /, c=3): ...


def optional_first(a=1, b=2, /, c=3): ...


def rest(a, b=2, *values): ...


def mixed(a=1, /, *values, flag=False, **more): ...


def typed(a: int, day: datetime.date = DAY, /, c: int = 3): ...


def lacking(a=1, b: int = None, c=decimal.Decimal(1), /, d=4): ...  # noqa: RUF013  a default of another type


def contract_of(function, **options):
    server = flaskJSONRPCServer(None, log=0)
    return server._engine.registrar.function_routes(function, path="/api", name="f", options=MethodOptions(**options))[
        0
    ].contract


@pytest.mark.parametrize(
    ("function", "arguments", "params"),
    [
        (plain, {}, {}),
        (plain, {"b": 1, "a": 2}, {"b": 1, "a": 2}),
        (plain, {"x": 1}, {"x": 1}),
        (only_first, {"a": 1}, [1]),
        (only_first, {"c": 5, "a": 1}, [1, 2, 5]),
        (only_first, {"a": 1, "b": None}, [1, None]),
        (optional_first, {}, {}),
        (optional_first, {"c": 5}, {"c": 5}),
        (optional_first, {"b": 5}, [1, 5]),
        (rest, {"a": 1}, {"a": 1}),
        (rest, {"a": 1, "values": []}, {"a": 1}),
        (rest, {"a": 1, "values": [7, 8]}, [1, 2, 7, 8]),
        (mixed, {"flag": True, "x": 1}, {"flag": True, "x": 1}),
        (mixed, {"values": [7]}, [1, 7]),
        (mixed, {"a": 5}, [5]),
        (typed, {"a": 1, "c": 5}, [1, "2024-02-29", 5]),
        (lacking, {"a": 5}, [5]),
        (lacking, {"a": 5, "b": 6}, [5, 6]),
    ],
)
def test_arguments_become_params(function, arguments, params):
    assert call_params(contract_of(function), arguments) == params


@pytest.mark.parametrize(
    ("function", "arguments", "message", "names"),
    [
        (only_first, {}, "missing 'a'", ["a"]),
        (only_first, {"b": 1}, "missing 'a'", ["a"]),
        (only_first, {"a": 1, "x": 1, "y": 2}, "unexpected 'x', 'y'", ["x", "y"]),
        (rest, {"values": [1]}, "missing 'a'", ["a"]),
        (rest, {"a": 1, "values": {"b": 1}}, "values: Input should be a valid array", ["values"]),
        (mixed, {"a": 1, "flag": True}, "'flag' cannot be passed together with 'a'", ["flag"]),
        (mixed, {"values": [1], "x": 1}, "'x' cannot be passed together with 'values'", ["x"]),
        (lacking, {"c": 1}, "missing 'b', needed with 'c'", ["b"]),
        (lacking, {"d": 1, "a": 1}, "missing 'b', 'c', needed with 'd'", ["b", "c"]),
    ],
)
def test_arguments_that_no_call_can_pass_are_refused(function, arguments, message, names):
    with pytest.raises(JsonRpcInvalidParamsError) as caught:
        call_params(contract_of(function), arguments)

    assert caught.value.message == f"Invalid params: {message}"
    assert [entry["path"] for entry in caught.value.data["errors"]] == [[name] for name in names]


def test_default_of_an_unchecked_method_is_passed_only_if_it_is_a_json_value():
    contract = contract_of(typed, validate=False)

    assert call_params(contract, {"a": 1, "day": "2030-01-01", "c": 5}) == [1, "2030-01-01", 5]
    with pytest.raises(JsonRpcInvalidParamsError, match="missing 'day', needed with 'c'"):
        call_params(contract, {"a": 1, "c": 5})


def returning(*, first, second=2):
    return [first, second]


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (lambda a, b=2, /, c=3: [a, b, c], {"a": 1, "c": 5}, [1, 2, 5]),
        (lambda a, *values: [a, *values], {"a": 1, "values": [2, 3]}, [1, 2, 3]),
        (lambda a=1, /, **more: [a, more], {"x": 5}, [1, {"x": 5}]),
        (returning, {"first": 1}, [1, 2]),
    ],
    ids=["positional", "rest", "names", "keywords"],
)
def test_call_with_the_params_gets_the_arguments(function, arguments, result):
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(function, path="/api", name="f")

    answer = call_wsgi(server.getWSGI(), post(rpc("f", call_params(contract_of(function), arguments))))

    assert answer.json()["result"] == result


def test_unknown_name_gets_the_usual_error():
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(plain, path="/api")
    answers = [
        call_wsgi(server.getWSGI(), post(rpc("plain", params))).json()
        for params in (call_params(contract_of(plain), {"a": 1, "x": 1}), {"a": 1, "x": 1})
    ]

    assert answers[0] == answers[1]
    assert answers[0]["error"]["message"] == "Invalid params: unexpected 'x'"


def test_function_that_no_call_can_reach_is_known():
    def impossible(a, /, *, b): ...

    parameters = tuple(parameters_of(impossible))
    contract = Contract(impossible, parameters, {}, None, MethodOptions(), MethodOptions(), None, lambda: False)

    assert not is_callable_by_name(contract)
    assert all(map(is_callable_by_name, map(contract_of, [plain, only_first, optional_first, rest, mixed, returning])))
    with pytest.raises(RegistrationError, match="by position only"):
        contract_of(impossible)
