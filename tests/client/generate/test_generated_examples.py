"""Generated clients of the examples call the examples, on real sockets."""

import contextlib
import json
import subprocess

import pytest

from flaskJSONRPCServer.client.generate import generate
from flaskJSONRPCServer.client.generate.sources import read_url
from tests.client.generate.example_calls import NOT_SERVED, ROWS
from tests.client.generate.generating import VERSION, loaded, python_source
from tests.client.node import find_node
from tests.examples.processes import EXAMPLES, example, running
from tests.examples.servers import server_of


@contextlib.contextmanager
def serving(name, folder):
    """Serve an example in this process; yield its server."""
    server = server_of(name, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def serve(tmp_path):
    """Serve an example until the end of the test, and return its URL: `serve(name)`."""
    with contextlib.ExitStack() as stack:

        def start(name):
            if ROWS[name].is_program:
                return stack.enter_context(running(example(f"{name}.py", "0"))).url()
            host, port = stack.enter_context(serving(name, tmp_path)).addresses[0]
            return f"http://{host}:{port}"

        yield start


def value_in_node(source, expression, folder):
    """Return the value of an expression with a generated module of JavaScript as `client`."""
    module = folder / "client.mjs"
    module.write_text(source, encoding="utf-8")
    program = f"const client = await import(process.argv[1]);\nconsole.log(JSON.stringify(await {expression}));"
    command = [find_node(), "--input-type=module", "-e", program, module.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_example_is_called_or_serves_nothing():
    assert sorted([*ROWS, *NOT_SERVED]) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", ROWS)
def test_generated_clients_call_the_example(serve, tmp_path, name):
    row = ROWS[name]
    url = serve(name)
    document = read_url(url, row.headers)

    row.call(loaded(python_source(document)), url)
    assert value_in_node(generate(document, "javascript", VERSION), row.script, tmp_path) == row.result


def test_example_on_a_unix_socket_is_called(tmp_path):
    with serving("multiple", tmp_path) as server:
        module = loaded(python_source(server.openrpc()))
        path = server.addresses[-1]
        with module.Api(f"http+unix://{str(path).replace('/', '%2F')}/api") as api:
            assert api.where() == "the Unix socket"


def test_url_of_the_document_is_replaced_by_another_one(serve):
    url = serve("simple")
    module = loaded(python_source(server_of("simple", None).openrpc()))

    with pytest.raises(TypeError, match="url"):
        module.Server()
    with module.Server(url) as server:
        assert server.api.add(1) == 2
