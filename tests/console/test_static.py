"""The files of the dashboard: small, strict, and vendored as they were published."""

import gzip
import hashlib
import re

import pytest

from tests.console.host import STATIC

OWN = ("dashboard.js", "dashboard.css")
VENDORED = STATIC / "vendor"


def gzipped_bytes(*files):
    return sum(len(gzip.compress((STATIC / file).read_bytes(), 9)) for file in files)


def test_files_are_small():
    assert gzipped_bytes(*OWN) <= 9 * 1024
    assert gzipped_bytes("vendor/uplot.js", "vendor/uplot.css") <= 23 * 1024


@pytest.mark.parametrize(
    "word", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", ".style.", "http"]
)
def test_script_makes_no_markup_from_text_and_leaves_the_origin_never(word):
    assert word not in (STATIC / "dashboard.js").read_text(encoding="utf-8")


def test_style_loads_nothing():
    assert not re.search(r"url\(|@import", (STATIC / "dashboard.css").read_text(encoding="utf-8"))


def test_vendored_files_are_those_of_their_version():
    hashes = re.findall(r"sha256 of \S+: (\w{64})", (VENDORED / "uplot.VERSION").read_text(encoding="utf-8"))
    script = (VENDORED / "uplot.js").read_bytes().removesuffix(b"export default uPlot;\n")
    files = (script, (VENDORED / "uplot.css").read_bytes())

    assert [hashlib.sha256(file).hexdigest() for file in files] == hashes
    assert "The MIT License" in (VENDORED / "uplot.LICENSE").read_text(encoding="utf-8")
