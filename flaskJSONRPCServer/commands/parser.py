"""The parser of one command."""

from __future__ import annotations

import argparse
import difflib
from typing import Any, Final

__all__ = ["CommandParser"]

# The likeness, from 0 to 1, of a name to the one that may be meant; guessed.
_NEAR: Final = 0.75


class CommandParser(argparse.ArgumentParser):
    """The parser of one command. It refuses unknown options itself, with its own usage.

    Args:
        intermixed: Whether options may be between positional arguments of variable number.
        arguments: Those of any parser.
    """

    def __init__(self, *, intermixed: bool = False, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._is_intermixed = intermixed
        self._is_parsing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments. If one is unknown, exit with the usage of the command."""
        parsed, unknown = self._parse(args, namespace)
        if unknown and not self._is_parsing:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._suggestion(unknown)}")
        return parsed, unknown

    def _parse(self, args: Any, namespace: Any) -> Any:
        if not self._is_intermixed or self._is_parsing:
            return super().parse_known_args(args, namespace)
        self._is_parsing = True  # argparse parses in two passes, which come here again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_parsing = False

    def _suggestion(self, unknown: list[str]) -> str:
        """Return the question whether another option is meant; an empty text if none is near."""
        names = [text.partition("=")[0] for text in unknown if text.startswith("--")]
        known = self._option_string_actions
        near = [match for name in names for match in difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)]
        return f"; did you mean {near[0]}?" if near else ""
