"""Type checkers and linters accept generated clients, and find wrong calls.

Each checker runs once, over the clients of all examples, of all types of the contracts, and of strange documents.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flaskJSONRPCServer.client.generate import generate
from tests.client.generate.generating import VERSION
from tests.client.generate.test_generate_hostile import PAYLOADS, everywhere
from tests.client.node import find_compiler, find_node
from tests.contract.api import CASES, REFUSED, make
from tests.docs.pages import blocks
from tests.examples.servers import SERVERS, server_of

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "generated-clients.md"

_LINE = re.compile(r"^(?:[^\n]*/)?(\w+)\.(?:py|m?ts)[:(](\d+)[^\n]*\berror\b", re.MULTILINE)

PYTHON_CALLS = """\
from examples_simple import Api, ApiShop, AsyncApi, Caller, OutOfStock, Server
from typing_extensions import assert_type


def right(server: Server) -> None:
    api = Api("http://127.0.0.1:1/api", timeout=5)
    assert_type(api.add(1, b=2.5), float)
    assert_type(api.plus(1), float)
    assert_type(api.whoami(), Caller)
    assert_type(api.whoami()["ip"], str | None)
    assert_type(server.api_shop.stock(), dict[str, int])
    with api.batch() as batch:
        pending = batch.add(1)
    assert_type(pending.result(), float)
    try:
        ApiShop("http://127.0.0.1:1/api/shop").options(timeout=1).buy("tea", amount=2)
    except OutOfStock as exc:
        print(exc.data)


async def right_in_coroutines(api: AsyncApi) -> None:
    assert_type(await api.add(1), float)
    await api.notify.add(1)
    async with api.batch() as batch:
        batch.echo(None)


def wrong(server: Server, api: AsyncApi) -> None:
    server.api.add("1")  # wrong
    server.api.add()  # wrong
    server.api.add(1, 2, 3)  # wrong
    server.api.add(1, c=2)  # wrong
    server.api.plus("1")  # wrong
    server.api.minus(1)  # wrong
    server.api_shop.buy(item=None)  # wrong
    server.api.notify.add("1")  # wrong
    server.api.whoami()["name"]  # wrong
    text: str = server.api.add(1)  # wrong
    number: float = api.add(1)  # wrong
    print(text, number)
"""

SCRIPT_CALLS = """\
import { Api, OutOfStock, Server, type Caller } from "./examples_simple.js";

export async function right(server: Server): Promise<void> {
  const api = new Api("http://127.0.0.1:1/api", { timeoutMs: 5 });
  const sum: number = (await api.add(1, 2.5)) + (await api.plus(1));
  const caller: Caller = await api.whoami();
  const ip: string | null = caller.ip;
  const stock: { [name: string]: number } = await server.api_shop.stock();
  const nothing: void = await api.notify.add(1);
  const retry = { attempts: 5, basePauseMs: 50, maxPauseMs: 1000, statuses: [503], budget: 0.5 };
  const batch = api.options({ headers: { "X-A": "b" }, idempotencyKey: true, idempotent: true, retry }).batch();
  await api.options({ idempotencyKey: "k", retry: null }).add(1);
  const pending: Promise<number> = batch.add(1);
  await batch.send();
  try {
    await server.api_shop.buy("tea");
  } catch (error) {
    if (error instanceof OutOfStock) console.log(error.data, OutOfStock.code);
  }
  console.log(sum, ip, stock, nothing, pending);
}

export async function wrong(server: Server, api: Api): Promise<void> {
  server.api.add("1"); // wrong
  server.api.add(); // wrong
  server.api.add(1, 2, 3); // wrong
  server.api.plus("1"); // wrong
  server.api.minus(1); // wrong
  new Api("http://127.0.0.1:1/api", { retry: { attempts: "3" } }); // wrong
  api.options({ idempotencyKey: 1 }); // wrong
  server.api_shop.buy(null); // wrong
  server.api.notify.add("1"); // wrong
  (await server.api.whoami()).name; // wrong
  const text: string = await server.api.add(1); // wrong
  const result: number = await server.api.notify.add(1); // wrong
  console.log(text, result);
}
"""


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Return all documents by the names of their modules."""
    by_name = {"cases": make("simple").openrpc("/api", "http://127.0.0.1:1")}
    for name in SERVERS:
        server = server_of(name, tmp_path_factory.mktemp("files"))
        by_name[f"examples_{name}"] = server.openrpc(url="http://127.0.0.1:1")
    by_name["shop_client"] = server_of_page().openrpc("/api", "http://127.0.0.1:1")
    for number, text in enumerate(PAYLOADS):
        by_name[f"payload_{number}"] = everywhere(text)
    return by_name


def server_of_page():
    """Return the server of the page on generated clients."""
    first = next(block for block in blocks(PAGE) if block.language == "python")
    namespace = {"__name__": "page"}
    exec(first.text.replace("server.start()", ""), namespace)
    return namespace["server"]


def values():
    """Yield the accepted values of the contracts' table, with the numbers of their methods.

    A float such as 1.0 becomes an integer: servers take it for one, and type checkers do not. They do not take a member
    that an object does not have, which servers ignore.
    """
    for number, (_, value, outcome) in enumerate(CASES):
        if outcome is not REFUSED and value != {"x": 1, "z": 5}:
            yield number, json.loads(json.dumps(value), parse_float=plain_number)


def plain_number(text):
    number = float(text)
    return int(number) if number.is_integer() else number


def wrong_lines(source):
    """Return the places of the calls that a checker must refuse."""
    return {
        ("calls", number)
        for number, line in enumerate(source.splitlines(), 1)
        if line.endswith(("# wrong", "// wrong"))
    }


def written(folder, documents, language, ending, calls):
    """Write the modules of all documents, and a module that calls some."""
    for name, document in documents.items():
        (folder / f"{name}.{ending}").write_text(generate(document, language, VERSION), encoding="utf-8")
    (folder / f"calls.{ending}").write_text(calls, encoding="utf-8")


def checked(command, **environment):
    """Run a checker. Return the places of its errors and its output."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=110, check=False
    )
    output = done.stdout + done.stderr
    return {(name, int(line)) for name, line in _LINE.findall(output)}, output


@pytest.fixture(scope="module")
def python_folder(tmp_path_factory, documents):
    folder = tmp_path_factory.mktemp("python")
    written(folder, documents, "python", "py", PYTHON_CALLS)
    calls = "".join(f"    api.case{number}({value!r})\n" for number, value in values())
    text = f"from cases import Api\n\n\ndef calls(api: Api) -> None:\n{calls}"
    (folder / "values.py").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def script_folder(tmp_path_factory, documents):
    folder = tmp_path_factory.mktemp("script")
    written(folder, documents, "typescript", "ts", SCRIPT_CALLS)
    calls = "".join(f"  api.case{number}({json.dumps(value)});\n" for number, value in values())
    text = f'import {{ Api }} from "./cases.js";\n\nexport function calls(api: Api): void {{\n{calls}}}\n'
    (folder / "values.ts").write_text(text, encoding="utf-8")
    examples = [block.text for block in blocks(PAGE) if block.language == "typescript"]
    (folder / "page.mts").write_text("\n".join(examples), encoding="utf-8")
    return folder


@pytest.mark.timeout(180)
def test_mypy_finds_exactly_the_wrong_calls(python_folder):
    modules = map(str, sorted(python_folder.glob("*.py")))
    errors, output = checked([sys.executable, "-m", "mypy", *modules], MYPYPATH=str(python_folder))

    assert errors == wrong_lines(PYTHON_CALLS), output


@pytest.mark.timeout(180)
def test_pyright_finds_exactly_the_wrong_calls(python_folder):
    options = {"include": ["."], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard", "pythonVersion": "3.10"}
    (python_folder / "pyrightconfig.json").write_text(json.dumps(options), encoding="utf-8")
    errors, output = checked([sys.executable, "-m", "basedpyright", "--level", "error", "-p", str(python_folder)])

    assert errors == wrong_lines(PYTHON_CALLS), output


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_linter_and_formatter_have_no_complaints(python_folder, command):
    modules = [str(path) for path in python_folder.glob("*.py") if path.stem not in ("calls", "values")]
    command = [sys.executable, "-m", "ruff", *command, "--isolated", "--quiet", *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.timeout(180)
def test_typescript_finds_exactly_the_wrong_calls(script_folder):
    compiler = find_compiler()
    options = [
        "--strict",
        "--noEmit",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom",
        "--types",
        "",
        "--module",
        "nodenext",
    ]
    modules = map(str, sorted(script_folder.glob("*.*ts")))
    errors, output = checked([find_node(), compiler, *options, *modules])

    assert errors == wrong_lines(SCRIPT_CALLS), output
