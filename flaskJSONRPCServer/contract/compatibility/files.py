"""Documents in files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ...errors import ContractError

__all__ = ["read_json"]


def read_json(path: str) -> Any:
    """Return the JSON value of a file.

    Args:
        path: The path; ``-`` is standard input.

    Raises:
        ContractError: It cannot be read, or is no JSON. The message has the path.
    """
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return json.loads(content)
    except OSError as exc:
        raise ContractError(f"{path}: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise ContractError(f"{path} is no JSON: {exc}") from exc
