"""The mock server: declared answers, the contract, and what it says about wrong calls."""

import abc
import datetime
import enum
import json
import sys
import threading
import typing
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer, rpc
from flaskJSONRPCServer.client import Client, ConnectionLostError
from flaskJSONRPCServer.errors import ContractError, MissingExtraError
from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParamsError,
    JsonRpcMethodNotFoundError,
    JsonRpcReservedError,
)
from flaskJSONRPCServer.testing import MockError, MockServer


class OutOfStock(JsonRpcApplicationError):
    ERROR_CODE = 71001
    ERROR_MESSAGE = "Out of stock"


class Size(enum.Enum):
    SMALL = "small"


@dataclass
class Item:
    name: str
    size: Size = Size.SMALL


def make_server():
    server = flaskJSONRPCServer(None, log=0)

    @server.method("/api")
    def add(a: int, b: int = 1) -> int: ...

    @server.method("/api")
    @rpc(alias="purchase")
    def buy(item: Item, /, amount: int = 1, *, day: datetime.date | None = None) -> list[Item]:
        """Buy an item.

        Raises:
            OutOfStock: There are no more.
        """

    @server.method("/api")
    def total(*numbers: int, **names: str) -> float: ...

    @server.method("/api", notification=True)
    def log(text: str) -> None: ...

    @server.method("/api", validate=False)
    def free(a: int) -> int: ...

    @server.method("/api")
    def named(*, a: int) -> None: ...

    return server


@pytest.fixture(scope="module")
def contract():
    return make_server().openrpc("/api")


@pytest.fixture
def mock():
    with MockServer() as mock:
        yield mock


@pytest.fixture
def held(contract):
    """A mock that is held to a contract, and not asked at its end."""
    mock = MockServer(contract)
    yield mock
    mock.close()


def test_declared_answers_come_back(mock):
    mock.on("add").returns(3)
    mock.on("echo", "x").returns({"a": [1, None]})
    mock.on("echo", text="y").returns(None)

    assert mock.client.add(1, 2) == 3
    assert mock.client.echo("x") == {"a": [1, None]}
    assert mock.client.echo(text="y") is None


def test_several_results_come_one_after_another_and_the_last_again(mock):
    mock.on("next").returns(1, 2)

    assert [mock.client.next() for _ in range(4)] == [1, 2, 2, 2]


def test_declaration_with_arguments_comes_before_one_without(mock):
    mock.on("add").returns("any")
    mock.on("add", 1, 2).returns("these")

    assert [mock.client.add(1, 2), mock.client.add(2, 1)] == ["these", "any"]


def test_declaration_that_has_had_its_calls_gives_way_to_the_next(mock):
    mock.on("add", 1).returns("first").times(1)
    mock.on("add", 1).returns("second")

    assert [mock.client.add(1) for _ in range(3)] == ["first", "second", "second"]


@pytest.mark.parametrize(
    ("declared", "kind", "code", "data"),
    [
        ((OutOfStock,), OutOfStock, 71001, None),
        ((OutOfStock("none", data=[1]),), OutOfStock, 71001, [1]),
        ((OutOfStock, "gone", 5), OutOfStock, 71001, 5),
        ((-32001, "busy", {"in": 3}), JsonRpcReservedError, -32001, {"in": 3}),
        ((-32601,), JsonRpcMethodNotFoundError, -32601, None),
    ],
)
def test_declared_error_is_raised_each_time(mock, declared, kind, code, data):
    mock.on("buy").raises(*declared)

    for _ in range(2):
        with pytest.raises(kind) as caught:
            mock.client.buy()
        assert (caught.value.code, caught.value.data) == (code, data)


def test_side_effect_computes_the_answer(mock):
    mock.on("add").side_effect(lambda a, b=10: a + b)

    assert [mock.client.add(1, 2), mock.client.add(a=1), mock.client.add(a=1, b=1)] == [3, 11, 2]


def test_side_effect_may_raise_an_error_of_json_rpc(mock):
    def refuse():
        raise OutOfStock

    mock.on("buy").side_effect(refuse)

    with pytest.raises(OutOfStock):
        mock.client.buy()


def test_values_are_sent_in_their_json_form(mock):
    mock.on("buy", Item("tea"), datetime.date(2024, 2, 29)).returns([Item("tea")], (1, 2))

    assert mock.client.buy(Item("tea"), datetime.date(2024, 2, 29)) == [{"name": "tea", "size": "small"}]
    assert mock.client.buy(Item("tea"), datetime.date(2024, 2, 29)) == [1, 2]


def test_result_is_that_of_the_declaration_whatever_happens_to_the_object_later(mock):
    result = [1]
    mock.on("numbers").returns(result)
    result.append(2)

    assert mock.client.numbers() == [1]


def test_calls_are_recorded(mock):
    any_call = mock.on("add").returns(3)
    with_arguments = mock.on("log", text="x")
    mock.client.add(1, 2)
    mock.client.notify.log(text="x")

    assert [(call.method, call.args, call.kwargs, call.is_notification) for call in mock.calls] == [
        ("add", [1, 2], {}, False),
        ("log", [], {"text": "x"}, True),
    ]
    assert any_call.calls == [mock.calls[0]]
    assert (any_call.called, any_call.call_count) == (True, 1)
    assert [str(call) for call in mock.calls] == ["add(1, 2)", 'the notification log(text="x")']
    assert with_arguments.call_count == 1
    assert repr(any_call) == "<Expectation add(...): 1 calls>"


def test_batch_is_answered(mock):
    mock.on("add").side_effect(lambda a, b: a + b)
    mock.on("log")
    mock.on("buy").raises(OutOfStock)
    with mock.client.batch() as batch:
        first = batch.add(1, 2)
        batch.notify.log("x")
        second = batch.buy()
        third = batch.add(3, 4)

    assert (first.result(), third.result()) == (3, 7)
    assert isinstance(second.exception(), OutOfStock)


def test_batch_of_one_is_answered_with_a_batch(mock):
    mock.on("add").returns(3)

    assert post(mock.url, [{"jsonrpc": "2.0", "method": "add", "id": 1}]) == (
        200,
        [{"jsonrpc": "2.0", "result": 3, "id": 1}],
    )


def post(url, value, **fields):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **fields})
    with urllib.request.urlopen(request, timeout=30) as response:
        text = response.read()
        return response.status, json.loads(text) if text else None


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (b"{", (200, (-32700, None))),
        (b"[]", (200, (-32600, None))),
        ({"jsonrpc": "2.0", "id": 4}, (200, (-32600, 4))),
        ({"jsonrpc": "2.0", "result": 1, "id": 4}, (200, (-32600, None))),
        ({"jsonrpc": "2.0", "method": "log"}, (204, None)),
    ],
)
def test_live_mock_answers_what_is_no_call_as_a_server_does(mock, value, answer):
    mock.on("log").times(0 if answer[1] else 1)

    status, body = post(mock.url, value)

    assert (status, body and (body["error"]["code"], body["id"])) == answer


def test_live_mock_answers_clients_of_any_kind(mock):
    mock.on("add", 1, 2).returns(3)
    with Client(mock.url) as client, Client(f"{mock.url}any/path", compress_min_bytes=1) as compressing:
        assert (client.add(1, 2), compressing.add(1, 2)) == (3, 3)

    assert mock.url == mock.url
    assert post(mock.url, {"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": "x"})[1]["result"] == 3


def test_live_mock_refuses_a_body_of_unknown_length(mock):
    body = iter([b"{}"])
    request = urllib.request.Request(mock.url, body, {"Content-Type": "application/json"})

    with pytest.raises(urllib.error.HTTPError, match="411") as refused:
        urllib.request.urlopen(request, timeout=30)
    refused.value.close()


def test_failure_of_the_live_server_itself_is_reported(monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError

    mock = MockServer()
    monkeypatch.setattr(mock.transport, "send", fail)
    with Client(mock.url) as client, pytest.raises(ConnectionLostError):
        client.add(1)
    mock.close()

    assert mock.problems() == ["the mock server failed: ZeroDivisionError()"]


def test_live_mock_answers_a_batch_of_any_length(mock):
    mock.on("next").side_effect(lambda number: number + 1)
    with Client(mock.url) as client, client.batch() as batch:
        for number in range(1500):
            batch.next(number)

    assert batch.results() == [*range(1, 1501)]


def test_live_mock_answers_clients_at_once_and_ends_their_connections():
    arrived = threading.Barrier(4, timeout=30)
    with MockServer() as mock:
        mock.on("meet").side_effect(lambda number: (arrived.wait() and number) or number)
        client = Client(mock.url)
        results = []
        threads = [threading.Thread(target=lambda n=n: results.append(client.meet(n))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        mock.close()
        assert not [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
    client.close()

    assert sorted(results) == [0, 1, 2, 3]


def test_unexpected_call_is_an_error_for_the_client_and_for_the_test():
    mock = MockServer()
    with pytest.raises(JsonRpcMethodNotFoundError, match=r"add\(a=1\) is not declared"):
        mock.client.add(a=1)

    with pytest.raises(MockError) as caught:
        mock.verify()
    assert str(caught.value).splitlines()[1:] == [
        "unexpected call add(a=1); declare it with mock.on('add', a=1).returns(...)"
    ]


def test_unexpected_notification_is_reported():
    mock = MockServer()
    mock.client.notify.log("x")

    assert mock.problems() == ["unexpected call the notification log(\"x\"); declare it with mock.on('log', 'x')"]


@pytest.mark.parametrize("assert_all_called", [True, False])
def test_declared_call_that_does_not_come_is_reported(assert_all_called):
    mock = MockServer(assert_all_called=assert_all_called)
    mock.on("add", 1, 2)

    text = "add(1, 2) was not called; remove its declaration, or pass assert_all_called=False"
    assert mock.problems() == ([text] if assert_all_called else [])


@pytest.mark.parametrize(("times", "is_right"), [(0, False), (1, False), (2, True), (3, False)])
def test_number_of_calls_is_checked(times, is_right):
    mock = MockServer(assert_all_called=False)
    mock.on("add").times(times)
    mock.client.add()
    mock.client.add()

    text = f"add(...) was called 2 times, not {times}; correct times() or the caller"
    assert mock.problems() == ([] if is_right else [text])


def test_negative_number_of_calls_is_refused():
    mock = MockServer(assert_all_called=False)

    with pytest.raises(ValueError, match=r"times\(-1\): choose 0 or more"):
        mock.on("add").times(-1)


def test_context_manager_checks_at_its_end_unless_the_block_raises():
    with pytest.raises(MockError, match="was not called"), MockServer() as mock:
        mock.on("add")
    with pytest.raises(ZeroDivisionError), MockServer() as mock:
        mock.on("add").returns(1 / 0)


def test_reset_forgets_calls_and_declarations(mock):
    mock.on("add").returns(1)
    with pytest.raises(JsonRpcMethodNotFoundError):
        mock.client.subtract()
    mock.reset()

    assert (mock.calls, mock.problems()) == ([], [])


def test_exception_of_side_effect_is_reported_to_the_test():
    mock = MockServer()
    mock.on("add").side_effect(lambda: 1 / 0)
    with pytest.raises(JsonRpcInternalError, match="side_effect raised ZeroDivisionError"):
        mock.client.add()

    assert mock.problems() == ["side_effect of add() raised ZeroDivisionError('division by zero')"]


@pytest.mark.parametrize("value", [object(), float("nan"), {1, object()}])
def test_result_without_a_json_form_is_refused(mock, value):
    with pytest.raises(MockError, match="has no JSON form"):
        mock.on("add").times(0).returns(value)


def test_arguments_by_position_and_by_name_together_need_a_contract(mock):
    with pytest.raises(MockError, match=r"add\(1, b=2\) has arguments by position and by name.*contract"):
        mock.on("add", 1, b=2)


@pytest.mark.parametrize("wrong", [True, 5.5, "x", ValueError, ValueError("x")])
def test_raises_takes_errors_of_json_rpc_only(mock, wrong):
    with pytest.raises(TypeError, match="it takes a JsonRpcException, its class, or a code, which is an integer"):
        mock.on("add").times(0).raises(wrong)


# With a contract


def test_arguments_by_name_are_those_by_position(held):
    declared = held.on("add", 1, b=2).returns(3)

    assert (held.client.add(1, 2), held.client.add(b=2, a=1), held.client.add(1, b=2)) == (3, 3, 3)
    assert declared.call_count == 3


def test_client_learns_the_names_of_parameters_from_the_contract(held):
    held.on("add").returns(3)
    held.client.add(1, b=2)

    assert [call.kwargs for call in held.calls] == [{"a": 1, "b": 2}]
    assert held.problems() == []


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("add", 3),
        ("add", 3.0),
        ("buy", [Item("tea")]),
        ("purchase", []),
        ("total", 1.5),
        ("log", "anything"),
        ("free", "anything"),
        ("named", None),
    ],
)
def test_declared_result_that_fits_the_contract_is_taken(held, method, result):
    held.on(method).returns(result)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda mock: mock.on("ad"), r"mock.on\('ad'\) does not fit the contract: .* did you mean 'add'"),
        (
            lambda mock: mock.on("add").returns("3"),
            r"add\(\.\.\.\).returns\('3'\) does not fit .* \"3\", which is not",
        ),
        (lambda mock: mock.on("add").returns(3, None), r"returns\(None\) does not fit the contract: result is null"),
        (lambda mock: mock.on("buy").returns([{"name": 3}]), r"result\[0\].name is 3, which is not of type 'string'"),
        (lambda mock: mock.on("buy").returns([{"name": "a", "size": "big"}]), 'size is "big"'),
        (lambda mock: mock.on("add", 1, 2, 3), r"add\(1, 2, 3\) does not fit the contract: takes at most 2 parameters"),
        (lambda mock: mock.on("add", 1, a=2), r"add\(1, a=2\) does not fit the contract: a passed twice"),
        (lambda mock: mock.on("add", 1, c=2), r"unknown parameter 'c'"),
        (lambda mock: mock.on("add", b=2), r"add\(b=2\) does not fit the contract: missing 'a'"),
        (
            lambda mock: mock.on("add", "x"),
            r'add\("x"\) does not fit the contract: a is "x", which is not',
        ),
        (
            lambda mock: mock.on("buy").raises(71002),
            r"\.raises\(71002\) .* does not declare the error 71002; declared: 71001",
        ),
    ],
)
def test_mock_cannot_lie(held, declare, message):
    with pytest.raises(MockError, match=message):
        declare(held)


@pytest.mark.parametrize(
    ("method", "params", "problem"),
    [
        ("add", [], "add() does not fit the contract: missing 'a'"),
        ("add", ["x"], 'add("x") does not fit the contract: a is "x", which is not of type \'integer\''),
        ("add", [1, 2, 3], "add(1, 2, 3) does not fit the contract: takes at most 2 parameters, not 3"),
        ("add", {"a": 1, "c": 2}, "add(a=1, c=2) does not fit the contract: unknown parameter 'c'"),
        ("buy", {"item": {"name": "a"}}, "takes its parameters by position only"),
        ("buy", [{"name": "a"}, 1, None], "takes at most 2 parameters, not 3"),
        ("named", [1], "takes its parameters by name only"),
        (
            "total",
            [1, "x"],
            'total(1, "x") does not fit the contract: numbers[1] is "x", which is not',
        ),
        ("total", {"a": 3}, "total(a=3) does not fit the contract: a is 3, which is not of type 'string'"),
    ],
)
def test_call_that_breaks_the_contract_is_refused_and_reported(held, method, params, problem):
    held.on(method).side_effect(lambda *args, **kwargs: pytest.fail("the call was answered"))
    with pytest.raises(JsonRpcInvalidParamsError):
        held.client.call(method, *params) if isinstance(params, list) else held.client.call(method, **params)

    (reported,) = held.problems()
    assert problem in reported
    assert reported.endswith("; correct the caller")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("add", [1]),
        ("add", {"a": 1}),
        ("buy", [{"name": "tea"}, 2]),
        ("purchase", [{"name": "tea"}]),
        ("total", []),
        ("total", [1, 2, 3]),
        ("total", {"a": "x", "b": "y"}),
        ("free", ["x"]),
        ("named", {"a": 1}),
    ],
)
def test_call_that_fits_the_contract_is_answered(held, method, params):
    held.on(method).returns([] if method in ("buy", "purchase") else None if method == "named" else 1)
    held.client.call(method, *params) if isinstance(params, list) else held.client.call(method, **params)

    assert held.problems() == []


def test_undeclared_answer_is_held_to_the_contract(held):
    held.on("add")
    held.on("named")
    held.on("log")
    held.client.named(a=1)
    held.client.notify.log("x")
    with pytest.raises(JsonRpcInternalError):
        held.client.add(1)

    (problem,) = held.problems()
    assert problem.startswith(
        "the answer to add(1) does not fit the contract: result is null, which is not of type 'integer'; "
    )


@pytest.mark.parametrize(
    ("method", "error", "problem"),
    [
        ("add", JsonRpcInvalidParamsError, "missing 'a'; correct the caller"),
        ("ad", JsonRpcMethodNotFoundError, "did you mean 'add'?"),
    ],
)
def test_undeclared_call_that_breaks_the_contract_gets_the_error_of_the_server(held, method, error, problem):
    with pytest.raises(error):
        held.client.call(method)

    (reported,) = held.problems()
    assert reported.startswith(f"unexpected call {method}(), which does not fit the contract: ")
    assert problem in reported


def test_last_answer_that_is_declared_counts(held):
    held.on("add").raises(JsonRpcInvalidParamsError).returns(3)
    with pytest.raises(JsonRpcInvalidParamsError, match="missing 'a'"):
        held.client.add()

    assert held.client.add(1) == 3


def test_declared_refusal_of_parameters_may_be_tested(held):
    held.on("add").raises(JsonRpcInvalidParamsError)
    with pytest.raises(JsonRpcInvalidParamsError):
        held.client.add("x")

    assert held.problems() == []


@pytest.mark.parametrize("code", [71001, -32603, -32001])
def test_declared_errors_and_those_of_the_specification_are_right(held, code):
    held.on("buy").raises(code)
    with pytest.raises(JsonRpcException):
        held.client.buy({"name": "tea"})

    assert held.problems() == []


def test_method_without_declared_errors_may_raise_any(held):
    held.on("add").raises(5)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda item: "none", 'the answer to buy({"name": "tea"}) does not fit the contract: result is "none"'),
        (
            lambda item: raise_(JsonRpcApplicationError("x", code=5)),
            "the method does not declare the error 5; declared: 71001",
        ),
        (lambda item: object(), "has no JSON form"),
    ],
)
def test_answer_of_side_effect_is_held_to_the_contract(held, function, problem):
    held.on("buy").side_effect(function)
    with pytest.raises(JsonRpcInternalError):
        held.client.buy({"name": "tea"})

    (reported,) = held.problems()
    assert problem in reported


def raise_(exc):
    raise exc


class Shop(typing.Protocol):
    def add(self, a: int, b: int = 1) -> int: ...

    async def wait(self, seconds: float) -> None: ...


class AbstractShop(abc.ABC):
    def __init__(self, needed):
        raise AssertionError("the constructor was called")

    @abc.abstractmethod
    def add(self, a: int, b: int = 1) -> int: ...


class ConcreteShop:
    def add(self, a: int, b: int = 1) -> int:
        raise AssertionError("the function was called")


def add(a: int, b: int = 1) -> int:
    raise AssertionError("the function was called")


@pytest.mark.parametrize("kind", ["document", "file", "server", "Protocol", "abstract", "class", "object", "function"])
def test_contract_may_be(kind, contract, tmp_path):
    file = tmp_path / "openrpc.json"
    file.write_text(json.dumps(contract), encoding="utf-8")
    sources = {
        "document": contract,
        "file": file,
        "server": make_server(),
        "Protocol": Shop,
        "abstract": AbstractShop,
        "class": ConcreteShop,
        "object": ConcreteShop(),
        "function": add,
    }
    with MockServer(sources[kind]) as mock:
        mock.on("add").returns(3)
        with pytest.raises(MockError):
            mock.on("add").returns("x")
        mock.reset()
        mock.on("add", b=2, a=1).returns(3)

        assert mock.client.add(1, 2) == 3


def test_path_chooses_the_methods_of_a_server():
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda a: a, "/one", name="same")
    server.registerFunction(lambda b: b, "/two", name="same")
    with MockServer(server, path="/two") as mock:
        mock.on("same", b=1).returns(2)

        assert mock.client.same(1) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        ("{", "is no JSON"),
        ("[]", r"has \[\]; it takes an OpenRPC document"),
        ("{}", "the document has no list of methods"),
        ('{"methods": [3]}', "the document has no list of methods"),
    ],
)
def test_contract_that_cannot_be_read_is_an_error(content, message, tmp_path):
    file = tmp_path / "openrpc.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")

    with pytest.raises(ContractError, match=message):
        MockServer(str(file))


def test_document_is_served_only_with_a_contract(mock, held, contract):
    assert held.client.call("rpc.discover") == contract
    with pytest.raises(JsonRpcMethodNotFoundError):
        mock.client.call("rpc.discover")
    assert held.problems() == mock.problems() == []


@pytest.fixture
def without_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "flaskJSONRPCServer.testing.json_schema", raising=False)
    monkeypatch.setitem(sys.modules, "jsonschema", None)


def test_contract_without_the_extra_is_an_error_with_its_remedy(without_extra, contract):
    with pytest.raises(MissingExtraError) as caught:
        MockServer(contract)

    assert str(caught.value) == (
        "the contract of a mock server needs jsonschema; install it: "
        "pip install 'jsonschema>=4.23' 'referencing>=0.28.4'"
    )


def test_mock_without_a_contract_needs_no_extra(without_extra):
    with MockServer() as mock, Client(mock.url) as client:
        mock.on("add", 1, 2).returns(3)

        assert (mock.client.add(1, 2), client.add(1, 2)) == (3, 3)
