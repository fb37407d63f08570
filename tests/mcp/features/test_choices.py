"""The texts that hints list."""

from enum import Enum, IntEnum
from typing import Annotated, Literal, Optional, Union

import pytest

from flaskJSONRPCServer.mcp.features.choices import choices_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Odd(Enum):
    PAIR = (1, 2)


@pytest.mark.parametrize(
    ("hint", "choices"),
    [
        (bool, ["true", "false"]),
        (Colour, ["red", "blue"]),
        (Level, ["1", "2"]),
        (Literal["a", "b"], ["a", "b"]),
        (Literal[1, True, None, Colour.RED], ["1", "true", "red"]),
        (Optional[Literal["a"]], ["a"]),  # noqa: UP045  the old form is another class
        (Literal["a"] | None, ["a"]),
        (Union[Literal["a", "b"], Literal["b", "c"]], ["a", "b", "c"]),  # noqa: UP007  as above
        (Annotated[Literal["a"], "note"], ["a"]),
        (Odd, []),
        (str, []),
        (int | None, []),
        (list[Literal["a"]], []),
        (None, []),
    ],
)
def test_hint_lists_texts(hint, choices):
    assert choices_of(hint) == choices
