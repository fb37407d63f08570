"""Pages of long lists.

A cursor names the last item of its page. So items may come and go between two pages, and none of the others is left
out or seen twice.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .errors import InvalidParams

__all__ = ["page_of"]

_LONGEST_CURSOR: Final = 4096


def page_of(names: Sequence[str], params: Mapping[str, Any], size: int) -> tuple[Sequence[str], dict[str, Any]]:
    """Return the names on a page, and the member of the result that leads to the next one.

    Args:
        names: All names, sorted.
        params: The parameters of the request; ``cursor`` chooses the page.
        size: The most names on a page.

    Raises:
        InvalidParams: The server has not made the cursor.
    """
    cursor = params.get("cursor")
    start = 0 if cursor is None else bisect_right(names, name_in(cursor))
    page = names[start : start + size]
    has_more = start + size < len(names)
    return page, {"nextCursor": cursor_of(page[-1])} if has_more else {}


def cursor_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode("ascii")


def name_in(cursor: Any) -> str:
    """Return the name in a cursor.

    Raises:
        InvalidParams: It is none.
    """
    try:
        if not isinstance(cursor, str) or len(cursor) > _LONGEST_CURSOR:
            raise ValueError
        return base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode("utf-8", "surrogatepass")
    except (ValueError, binascii.Error) as exc:
        raise InvalidParams("Invalid params: this cursor is not from here; ask without one") from exc
