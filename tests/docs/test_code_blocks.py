"""Every example of the documentation runs, and prints the output that the page shows."""

import contextlib
import doctest
import gc
import io
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import warnings

import pytest

from flaskJSONRPCServer import __main__ as command_line
from flaskJSONRPCServer import flaskJSONRPCServer
from tests.certificates import make_certificates
from tests.docs.curl import curl
from tests.docs.pages import blocks, pages

_PORT = re.compile(r"""(?:(?<=127\.0\.0\.1:)|(?<=127\.0\.0\.1["'], )|(?<=127\.0\.0\.1["'], "))[1-9]\d+""")
_PRINTS = re.compile(r"^# prints:? (.*)$", re.MULTILINE)
_CHECK = doctest.OutputChecker()
_TASK_ID = re.compile(r'"taskId":"([^"]+)"')
_FIELD_NAME = re.compile(r"^[A-Za-z-]+(?=: )", re.MULTILINE)  # a header's: its case is the serving backend's choice


def free_port():
    """Return a free port, below those that the kernel assigns in the meantime."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Reader:
    """Follows the instructions of a page, on free ports."""

    def __init__(self, directory):
        self.directory = directory
        self.namespace = {"__name__": "__main__"}
        self.ports = {}
        self.processes = []
        self.task_id = ""  # of the last answer with a task, which pages write as TASK_ID

    def follow(self, page_blocks):
        for block in page_blocks:
            text = self.with_free_ports(block.text)
            if block.language == "python" and "serveForever()" in text:
                self.serve(text)
            elif block.language == "python":
                self.run(block, text)
            elif block.language == "console":
                self.call(block, text)

    def with_free_ports(self, text):
        """Replace the ports of a page by free ones, each by the same one throughout."""
        return _PORT.sub(lambda port: str(self.ports.setdefault(port[0], free_port())), text)

    def run(self, block, text):
        """Execute a block with the names of the blocks before it, and compare its output."""
        code = compile("\n" * block.line + text, block.page, "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.namespace)
        expected = "\n".join(_PRINTS.findall(text))
        if expected:
            assert same_output(expected, printed.getvalue()), f"{block.page}:{block.line} prints\n{printed.getvalue()}"

    def call(self, block, text):
        """Run the curl commands and the calls of a block, and compare their output."""
        for command, expected in commands(text):
            if command.startswith("openssl req "):
                make_certificates(self.directory)  # under the page's names; works without openssl
            if command.startswith("curl "):
                output = curl(command.replace("TASK_ID", self.task_id))
                self.task_id = _TASK_ID.search(output)[1] if _TASK_ID.search(output) else self.task_id
            elif command.startswith("python -m flaskJSONRPCServer call http"):
                output = called(command)
            elif command.startswith("python -m flaskJSONRPCServer client "):
                output = subprocess.check_output([sys.executable, *shlex.split(command)[1:]], text=True)
            else:  # pip, make, or another server
                continue
            assert same_output(expected, output), f"{block.page}:{block.line}: {command}\n{output}"

    def serve(self, text):
        """Start a program that serves until SIGTERM."""
        script = self.directory / "serve.py"
        script.write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        # The log goes to standard error. Its first line says that the server listens.
        line = process.stderr.readline()
        assert "listens on" in line, line + process.stderr.read()

    def close(self):
        for value in self.namespace.values():
            if isinstance(value, flaskJSONRPCServer):
                value.unlock()
                value.stop(timeout=2)
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            _, rest = process.communicate(timeout=20)
            assert process.returncode == 0, rest


def called(command):
    """Run the command `call` in this process, and return its output."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(printed):
        command_line.main(shlex.split(command)[3:])
    return printed.buffer.getvalue().decode()


def commands(text):
    """Yield each command of a console block with the output below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.replace("\\\n", " ").partition("\n")
        yield command, output


def same_output(expected, output):
    expected, output = (_FIELD_NAME.sub(lambda name: name[0].lower(), text.strip()) for text in (expected, output))
    return _CHECK.check_output(expected + "\n", output + "\n", doctest.ELLIPSIS)


@pytest.fixture
def connections_left_open(small_heap):
    """Collect the connections that a page's client leaves open, so that no later test gets their warning."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("connections_left_open")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_examples_run_and_print_the_output_of_the_page(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # pages import modules that they have written
    with contextlib.closing(Reader(tmp_path)) as reader:
        reader.follow(blocks(path))


def test_every_block_has_a_known_language():
    languages = {block.language for path in pages() for block in blocks(path)}

    assert languages <= {
        *("", "python", "console", "text", "html", "ini", "json", "nginx", "yaml", "toml", "dockerfile", "typescript"),
        *("{toctree}", "{eval-rst}", "{include} ../CHANGELOG.md", "{include} ../CONTRIBUTING.md"),
    }
