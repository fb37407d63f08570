"""The signatures and hints of functions and classes, some of which may not be evaluated yet, or never can be.

Since Python 3.14 hints are evaluated when they are read. ``inspect.signature`` raises a NameError there for a name that
is imported under ``TYPE_CHECKING``, or defined later, even if nobody needs the hint.

Source: PEP 649 and PEP 749.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["read_annotations", "read_signature"]


def read_signature(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
    """Return the signature of a function, with hints that may still be text or forward references.

    Raises:
        TypeError, ValueError: It has none, as some built-in functions.
        Exception: As with :func:`read_annotations`.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=Format.FORWARDREF)
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def read_annotations(annotated: Callable[..., Any]) -> dict[str, Any]:
    """Return the hints of a function, or of a class without those that it inherits, as :func:`read_signature` does.

    Raises:
        Exception: A hint fails for another reason than a missing name, such as ``"Text" | None`` since Python 3.14.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(annotated, format=Format.FORWARDREF)
    return inspect.get_annotations(annotated)
