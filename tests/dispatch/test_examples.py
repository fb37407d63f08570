"""`checkExamples`: the examples of methods are called, and their results compared."""

import dataclasses
import datetime

import pytest

from flaskJSONRPCServer import ExampleError, JsonRpcApplicationError, flaskJSONRPCServer


def server_with(function, *examples, **options):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False)
    server.registerFunction(function, path="/api", name="method", examples=list(examples), **options)
    return server


def add(a: int, b: int = 1) -> int:
    return a + b


@dataclasses.dataclass
class Point:
    x: int
    on: datetime.date


def move(point: Point, by: float) -> Point:
    return Point(point.x + int(by), point.on)


POINT = {"x": 1, "on": "2024-02-29"}


@pytest.mark.parametrize(
    ("function", "examples"),
    [
        (add, []),
        (add, [{"params": [2, 3], "result": 5}]),
        (add, [{"params": (2, 3), "result": 5}, {"params": {"a": 2}, "result": 3}]),
        (add, [{"params": [2], "result": 3.0}]),
        (move, [{"params": [POINT, 2], "result": {**POINT, "x": 3}}]),
        (lambda: None, [{}]),
        (lambda: [1.0, {"a": 2}], [{"result": [1, {"a": 2.0}]}]),
        (lambda _connection: "magic", [{"result": "magic"}]),
    ],
)
@pytest.mark.parametrize("backend", ["simple", "threaded", "parallel"])
def test_true_examples_are_counted(function, examples, backend):
    server = server_with(function, *examples, dispatcherBackend=backend)

    assert server.checkExamples() == len(examples)


@pytest.mark.parametrize(
    ("function", "example", "fault"),
    [
        (add, {"params": [2, 3], "result": 6}, "/api/method 'example 1' [2, 3] gives 5, not 6"),
        (add, {"params": [2, 3]}, "gives 5, not null"),
        (add, {"params": ["2"], "result": 3}, "fails: -32602 Invalid params: a: Input should be a valid integer"),
        (add, {"params": [], "result": 3}, "fails: -32602"),
        (lambda: True, {"result": 1}, "gives true, not 1"),
        (lambda: 1 / 0, {"name": "zero"}, "/api/method 'zero' [] fails: -32603"),
        (lambda: {1, object()}, {"result": 1}, "gives {"),
    ],
)
def test_false_example_is_named(function, example, fault):
    with pytest.raises(ExampleError) as failed:
        server_with(function, example).checkExamples()

    first, second = str(failed.value).splitlines()
    assert first == "1 of 1 examples fail:"
    assert fault in second


def test_all_false_examples_are_listed():
    server = server_with(add, {"params": [1], "result": 0}, {"params": [1], "result": 2}, {"params": {}, "result": 0})

    with pytest.raises(ExampleError) as failed:
        server.checkExamples()

    lines = str(failed.value).splitlines()
    assert lines[0] == "2 of 3 examples fail:"
    assert ["'example 1'" in lines[1], "'example 3'" in lines[2]] == [True, True]


@pytest.mark.parametrize("exception", [SystemExit(1), KeyboardInterrupt(), GeneratorExit()])
def test_exception_of_any_kind_fails_its_example_only(exception):
    def method(value):
        if value:
            raise exception
        return "fine"

    server = server_with(method, {"params": [1], "result": 1}, {"params": [0], "result": "fine"})

    with pytest.raises(ExampleError, match="1 of 2 examples fail"):
        server.checkExamples()


def test_declared_error_fails_an_example_with_its_code():
    class Gone(JsonRpcApplicationError):
        ERROR_CODE = 1410
        ERROR_MESSAGE = "Gone"

    def method():
        raise Gone

    with pytest.raises(ExampleError, match="fails: 1410 Gone"):
        server_with(method, {}).checkExamples()


def test_result_of_a_notification_is_not_compared():
    assert server_with(lambda: "ignored", {}, notification=True).checkExamples() == 1


def test_example_is_called_once_for_all_names():
    calls = []

    def method():
        calls.append(1)

    method._alias = ["other", "third"]
    server = server_with(method, {})

    assert server.checkExamples() == 1
    assert calls == [1]


def test_auth_is_not_asked():
    server = flaskJSONRPCServer(None, log=False, auth=lambda server, path, request, method: False)
    server.registerFunction(add, path="/api", examples=[{"params": [1], "result": 2}])

    assert server.checkExamples() == 1


def test_methods_that_nobody_sees_are_checked_too():
    assert server_with(add, {"params": [1], "result": 2}, visible=False).checkExamples() == 1


def test_running_server_can_be_checked():
    server = server_with(add, {"params": [1], "result": 2})
    server.start()
    try:
        assert server.checkExamples() == 1
    finally:
        server.stop()
