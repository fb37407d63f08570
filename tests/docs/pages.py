"""The pages of the documentation as the tests see them: fenced blocks and table rows."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The file's name.
        line: The number of the line of its fence.
        language: What stands behind the fence.
        text: What stands between the fences.
    """

    page: str
    line: int
    language: str
    text: str


def pages():
    """Return every page that is written by hand; the changelog and the guide for contributors have no examples."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path for path in candidates if path.exists()]


def blocks(path):
    """Return the fenced blocks of a page, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(path.name, text.count("\n", 0, found.start()) + 1, found["language"].strip(), found["text"])
        for found in _FENCE.finditer(text)
    ]


def rows(page):
    """Return the rows of all tables of a page in docs/: lists of cells, where a first cell is one name in backticks.

    Returns:
        The remaining cells by that name.
    """
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if name and len(cells) > 1:
            found[name[1]] = cells[1:]
    return found
