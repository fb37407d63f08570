"""Pyright knows the results of a batch. `tests/test_types.py` has the same for mypy."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
from typing import Any, Protocol

from typing_extensions import assert_type

from flaskJSONRPCServer.client import AsyncBatch, AsyncClient, Batch, Client, PendingCall


class Api(Protocol):
    def add(self, a: int, b: int = 1) -> int: ...


def add(a: int, b: int = 1) -> int:
    return a + b


async def double(a: int) -> str:
    return str(a)


def right(api: Client) -> None:
    with api.batch() as batch:
        assert_type(batch, Batch)
        pending = batch.typed(add)(1, b=2)
        other = batch.typed(Api).add(1)
    assert_type(pending, PendingCall[int])
    assert_type(pending.result(), int)
    assert_type(other, Any)
    assert_type(batch.results(), list[Any])


async def right_in_coroutines(api: AsyncClient) -> None:
    async with api.batch() as batch:
        assert_type(batch, AsyncBatch)
        pending = batch.typed(double)(1)
    assert_type(pending.result(), str)


def wrong(api: Client) -> None:
    with api.batch() as batch:
        batch.typed(add)("1")  # wrong
        text: str = batch.typed(add)(1).result()  # wrong
    print(text)
"""

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(180)
def test_pyright_finds_exactly_the_wrong_calls(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    options = {"extraPaths": [str(ROOT)], "typeCheckingMode": "strict", "pythonVersion": "3.10"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(options), encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--level", "error", "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)

    errors = {int(line) for line in re.findall(r"program\.py:(\d+)[^\n]*\berror\b", done.stdout)}
    wrong = {number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")}
    assert errors == wrong, done.stdout + done.stderr
