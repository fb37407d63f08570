"""Readers of the documentation: its pages, their fenced blocks and table rows."""

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
        line: The line number of its opening fence.
        language: The text after the opening fence.
        text: The text between the fences.
    """

    page: str
    line: int
    language: str
    text: str


def pages():
    """Return README and the pages of docs/."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path for path in candidates if path.exists()]


def blocks(path):
    """Return the fenced blocks of a page, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(path.name, text.count("\n", 0, match.start()) + 1, match["language"].strip(), match["text"])
        for match in _FENCE.finditer(text)
    ]


def rows(page):
    """Return the table rows of a page in docs/ whose first cell is one name in backticks.

    Returns:
        For each name, the remaining cells.
    """
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    cells_of = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        name = re.fullmatch(r"`([\w-]+)`", cells[0])
        if name and len(cells) > 1:
            cells_of[name[1]] = cells[1:]
    return cells_of
