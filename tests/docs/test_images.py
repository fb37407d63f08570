"""The picture of the README is the one that `make images` draws, and each picture of a page is there."""

import re
import runpy

import pytest

from tests.docs.pages import ROOT, pages

_IMAGE = re.compile(r"!\[[^\]]+\]\((\S+?)\)")
IMAGES = [
    pytest.param(path.parent / target, id=f"{path.name}: {target}")
    for path in pages()
    for target in _IMAGE.findall(path.read_text(encoding="utf-8"))
]


def test_picture_of_the_readme_is_up_to_date():
    program = runpy.run_path(str(ROOT / "tools" / "draw-images"))

    assert program["IMAGE"].read_text(encoding="utf-8") == program["draw"]()


@pytest.mark.parametrize("path", IMAGES)
def test_picture_of_a_page_exists(path):
    assert path.is_file()
