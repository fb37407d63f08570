"""The command `client`: where documents come from, and what it writes."""

import io
import json
import sys

import pytest

import flaskJSONRPCServer as package
from flaskJSONRPCServer import __main__ as command_line
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client.generate import LANGUAGES, generate
from flaskJSONRPCServer.commands.arguments import _LANGUAGES
from tests.client.generate.generating import document_of, python_source, server_of

DOCUMENT = document_of({"name": "add", "params": [{"name": "a", "schema": {"type": "integer"}}]})

MODULE = """
from flaskJSONRPCServer import flaskJSONRPCServer

server = flaskJSONRPCServer(None, log=0)
server.registerFunction(lambda a: a, path="/api", name="echo")
server.registerFunction(lambda: 1, path="/shop", name="one")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "document.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return tmp_path


def run(capfd, *arguments):
    """Run the command; return its exit status, its output and its errors."""
    status = 0
    try:
        command_line.main(["client", *arguments])
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    return status, *capfd.readouterr()


def expected(language="python", document=DOCUMENT, path=None):
    return generate(document, language, package.__version__, path)


@pytest.mark.parametrize("language", ["python", "typescript", "javascript"])
def test_client_of_a_file_is_printed(folder, capfd, language):
    assert run(capfd, "document.json", "--language", language) == (0, expected(language), "")


def test_client_is_python_by_default_and_is_written_to_a_file(folder, capfd):
    assert run(capfd, "document.json", "-o", "api.py") == (0, "", "")
    assert (folder / "api.py").read_text(encoding="utf-8") == expected()


def test_client_of_standard_input(folder, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(DOCUMENT).encode())))

    assert run(capfd, "-") == (0, expected(), "")


def test_client_of_a_module(folder, capfd):
    (folder / "served_for_client.py").write_text(MODULE, encoding="utf-8")
    status, output, _ = run(capfd, "served_for_client", "--path", "/api", "--url", "https://a.test")

    assert status == 0
    assert 'url: str | Client = "https://a.test/api"' in output
    assert "def echo(" in output
    assert "def one(" not in output


def test_command_offers_every_language():
    assert _LANGUAGES == LANGUAGES


def test_check_of_a_current_file_is_silent(folder, capfd):
    run(capfd, "document.json", "-o", "api.py")

    assert run(capfd, "document.json", "-o", "api.py", "--check") == (0, "", "")


@pytest.mark.parametrize("old", [None, "def old(): ...\n", "\udcff"])
def test_check_of_another_file_prints_the_difference_and_changes_nothing(folder, capfd, old):
    path = folder / "api.py"
    if old is not None:
        path.write_bytes(old.encode(errors="surrogateescape"))
    status, output, _ = run(capfd, "document.json", "-o", "api.py", "--check")

    assert status == 1
    assert output.startswith("--- api.py\n+++ api.py (current)\n")
    assert "\n+class Api(SyncMethods):\n" in output
    assert path.exists() is (old is not None)
    assert old is None or path.read_bytes() == old.encode(errors="surrogateescape")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing.json"], "client: error: missing.json cannot be read: No such file"),
        (["broken.json"], "broken.json is not JSON"),
        (["other.json"], "this is no OpenRPC document with methods"),
        (["document.json", "--path", "/no"], "no methods on the path '/no'"),
        (["document.json", "--check"], "name it with -o FILE"),
        (["document.json", "-o", "no/such/api.py"], "no/such/api.py cannot be written"),
        (["document.json", "-o", ".", "--check"], ". cannot be read"),
        (["no_such_module"], "no module 'no_such_module'"),
        (["http://127.0.0.1:1/"], "cannot be read"),
        (["http://[/"], "cannot be read"),
        (["http://127.0.0.1:1/", "--header", "X-Token"], "--header takes NAME:VALUE"),
        (["ftp://a.test/x"], "'ftp://a.test/x' is no URL, which begins with http://"),
    ],
)
def test_source_that_cannot_be_used_is_an_error_with_the_reason(folder, capfd, arguments, reason):
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (folder / "other.json").write_text("[]", encoding="utf-8")
    status, output, errors = run(capfd, *arguments)

    assert (status, output) == (2, "")
    assert errors.startswith("python -m flaskJSONRPCServer client: error: ")
    assert reason in errors


@pytest.fixture(scope="module")
def url():
    """Serve a document to callers with a token."""

    def auth(server, path, request, method):
        return request.headers.get("X-Token") == "sesame"

    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, auth=auth, controlGC=False, tweakDescriptors=False)
    server.registerFunction(lambda a: a, path="/api", name="echo")
    server.registerFunction(lambda: 1, path="/api/shop", name="one")
    server.start()
    yield f"http://127.0.0.1:{server.addresses[0][1]}"
    server.stop()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("", {"echo", "one"}),
        ("/", {"echo", "one"}),
        ("/openrpc.json", {"echo", "one"}),
        ("/api", {"echo"}),
        ("/api/shop/openrpc.json", {"one"}),
    ],
)
def test_client_of_a_running_server(url, capfd, path, names):
    status, output, _ = run(capfd, url + path, "--header", "X-Token: sesame")

    assert status == 0
    assert {name for name in ("echo", "one") if f"def {name}(" in output} == names
    assert f'"{url}/api' in output


def test_refused_document_is_an_error(url, capfd):
    status, _, errors = run(capfd, f"{url}/api")

    assert status == 2
    assert "HTTP Error 403" in errors


def test_module_that_is_generated_from_a_server_and_from_its_document_is_the_same():
    document = server_of(f=lambda: 2).openrpc()

    assert python_source(json.loads(json.dumps(document))) == python_source(document)
