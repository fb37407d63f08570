"""The variables and the TOML files of the documentation are ones that the package takes."""

import re

import pytest

from flaskJSONRPCServer import configuration
from tests.docs.pages import blocks, pages

_VARIABLE = re.compile(r"\bFJRPC_[A-Za-z_]+")
_WRONG = {"FJRPC_THREDS", "FJRPC_SERVICE_HOST"}  # examples of errors
_TOML = [block for path in pages() for block in blocks(path) if block.language == "toml"]


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_variables_are_settings(path):
    for variable in set(_VARIABLE.findall(path.read_text(encoding="utf-8"))) - _WRONG - {"FJRPC_"}:
        assert configuration.option_of(variable)


@pytest.mark.parametrize("block", _TOML, ids=lambda block: f"{block.page}:{block.line}")
def test_files_can_be_read(block, tmp_path):
    path = tmp_path / "my-api.toml"
    path.write_text(block.text, encoding="utf-8")

    assert configuration.read(path, {}).values


def test_errors_are_those_of_the_page(tmp_path, monkeypatch):
    text = next(path for path in pages() if path.name == "configuration.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-api.toml").write_text("threds = 8\n", encoding="utf-8")
    for file, environ in (
        (None, {"FJRPC_THREADS": "many"}),
        (None, {"FJRPC_THREDS": "8"}),
        ("my-api.toml", {}),
        (None, {"FJRPC_THREADS": "1", "FJRPC_threads": "2"}),
    ):
        with pytest.raises(configuration.ConfigurationError) as refused:
            configuration.read(file, environ)
        assert f"`{refused.value}`" in text
