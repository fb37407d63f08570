"""Pages of long lists.

A cursor says which list it belongs to, and the last item of its page. So items may come and go between two pages, and
none of the others is left out.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from .errors import InvalidParams
from .requests import ClientRequest

__all__ = ["page_of"]

# A cursor has as many characters of the last name, in base64, and a digest of all of it: a name may be a long URI.
_MOST_CHARACTERS: Final = 256

_LIST_BYTES: Final = 8
_NAME_BYTES: Final = 16
_START: Final = _LIST_BYTES + _NAME_BYTES
_LONGEST_CURSOR: Final = 4 * -(-(_START + 4 * _MOST_CHARACTERS) // 3)


@dataclass(frozen=True, slots=True)
class Position:
    """The last item of a page.

    Attributes:
        start: Its name, or the first characters of a long one.
        digest: The digest of its name.
    """

    start: str
    digest: bytes

    def next_in(self, names: Sequence[str]) -> int:
        """Return the index of the first name after it in sorted ones.

        Once a long name has gone, those that begin with the same characters come again: none is left out.
        """
        if len(self.start) < _MOST_CHARACTERS:
            return bisect_right(names, self.start)
        first = index = bisect_left(names, self.start)
        while index < len(names) and names[index].startswith(self.start):
            if digest(names[index], _NAME_BYTES) == self.digest:
                return index + 1
            index += 1
        return first


def page_of(names: Sequence[str], request: ClientRequest, size: int) -> tuple[Sequence[str], dict[str, Any]]:
    """Return the names on a page, and the member of the result that leads to the next one.

    Args:
        names: All names, sorted.
        request: The request for the list that its method names; the parameter ``cursor`` chooses the page.
        size: The most names on a page.

    Raises:
        InvalidParams: The server has not made the cursor, or for another list.
    """
    cursor = request.params.get("cursor")
    start = 0 if cursor is None else position_in(cursor, request.method).next_in(names)
    page = names[start : start + size]
    has_more = start + size < len(names)
    return page, further_of(page[-1], request.method) if has_more else {}


def further_of(name: str, method: str) -> dict[str, Any]:
    start = encoded(name[:_MOST_CHARACTERS])
    parts = digest(method, _LIST_BYTES) + digest(name, _NAME_BYTES) + start
    return {"nextCursor": base64.urlsafe_b64encode(parts).decode("ascii")}


def position_in(cursor: Any, method: str) -> Position:
    """Return the position that a cursor says.

    Raises:
        InvalidParams: It is no cursor of the list that the method names.
    """
    try:
        if not isinstance(cursor, str) or len(cursor) > _LONGEST_CURSOR:
            raise ValueError
        parts = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        if parts[:_LIST_BYTES] != digest(method, _LIST_BYTES):
            raise ValueError
        named, start = parts[_LIST_BYTES:_START], parts[_START:].decode("utf-8", "surrogatepass")
        if len(start) < _MOST_CHARACTERS and named != digest(start, _NAME_BYTES):
            raise ValueError
    except (ValueError, binascii.Error) as exc:
        raise InvalidParams("Invalid params: this cursor is not of this list; ask without one") from exc
    return Position(start, named)


def digest(text: str, size: int) -> bytes:
    return sha256(encoded(text)).digest()[:size]


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
