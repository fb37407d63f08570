"""examples/simple.py, which `make run` serves, and examples/client.py, which calls it."""

import json
import socket
import urllib.request

import pytest

from tests.examples.processes import curl_commands, example, run, run_curl


@pytest.fixture
def simple(launch):
    """Run the example on a port that the system chose, and wait until it listens."""
    program = launch(example("simple.py", "0"))
    program.line_with("Ctrl-C")
    return program


@pytest.fixture
def url(simple):
    """Return the URL in the greeting."""
    greeting = simple.output[simple.output.index("Open ") :]
    return greeting.split()[1].rstrip("/")


def test_printed_curl_commands_work(simple):
    call, get = curl_commands(simple.output)

    assert json.loads(run_curl(call)) == {"jsonrpc": "2.0", "result": 5, "id": 1}
    assert json.loads(run_curl(get)) == {"jsonrpc": "2.0", "result": "hello", "id": None}


def test_client_example_shows_every_kind_of_call(url):
    printed = run(example("client.py", f"{url}/api"))

    assert printed.splitlines() == [
        "by position: 5",
        "by name: 42",
        "notification: None",
        "batch: [1, 2, 3]",
        "error: Out of stock (1001) {'item': 'coffee', 'left': 0}",
    ]


def test_page_is_html(url):
    with urllib.request.urlopen(f"{url}/", timeout=10) as page:
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<!doctype html>" in page.read().decode()


@pytest.mark.parametrize(
    ("path", "result"),
    [("plus?a=2&b=3", 5), ("shop/stock", {"tea": 3, "coffee": 0})],
)
def test_alias_and_object_are_callable(url, path, result):
    with urllib.request.urlopen(f"{url}/api/{path}", timeout=10) as answer:
        assert json.load(answer)["result"] == result


def test_whoami_returns_the_caller(url):
    asking = urllib.request.Request(f"{url}/api/whoami", headers={"User-Agent": "a test"})
    with urllib.request.urlopen(asking, timeout=10) as answer:
        assert json.load(answer)["result"] == {"ip": "127.0.0.1", "agent": "a test"}


def test_printed_hints_are_checked(url):
    with urllib.request.urlopen(f"{url}/api/add?a=two", timeout=10) as answer:
        error = json.load(answer)["error"]

    assert error["code"] == -32602
    assert {tuple(fault["path"]) for fault in error["data"]["errors"]} == {("a",)}


def test_document_describes_the_methods(url):
    with urllib.request.urlopen(f"{url}/openrpc.json", timeout=10) as answer:
        methods = {method["name"]: method for method in json.load(answer)["methods"]}

    assert sorted(methods) == ["add", "buy", "echo", "stock", "whoami"]
    assert methods["add"]["x-aliases"] == ["plus"]
    assert methods["buy"]["servers"] == [{"url": f"{url}/api/shop"}]
    assert methods["buy"]["errors"] == [{"code": 1001, "message": "Out of stock"}]
    assert methods["whoami"]["result"]["schema"] == {"$ref": "#/components/schemas/Caller"}


def test_underscore_attributes_of_the_object_are_not_callable(url):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}/api/shop/_stock", timeout=10)
    with refused.value as answer:
        assert answer.status == 404


def test_port_may_come_from_the_environment(launch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = launch(example("simple.py"), PORT=str(taken.getsockname()[1]))

        # The failure for this port shows that the example uses it.
        assert program.wait() == 1
        assert f"127.0.0.1:{taken.getsockname()[1]}" in program.output


def test_taken_port_is_one_clear_line(launch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = launch(example("simple.py", str(port)))

        assert program.wait() == 1
        assert len(program.output.splitlines()) == 1
        assert program.output.startswith(f"cannot listen on 127.0.0.1:{port}: Address already in use; ")
