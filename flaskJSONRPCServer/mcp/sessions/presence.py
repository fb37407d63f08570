"""Waits that end early when the client has gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from .rounds import WaitWhile

__all__ = ["while_present"]

# How often a call that waits looks whether its client has gone, in seconds.
_CHECK_S: Final = 1.0


def while_present(wait_while: WaitWhile, has_left: Callable[[], bool]) -> WaitWhile:
    """Return a function that waits as another one does, and returns False as soon as a client is known to have gone.

    Args:
        wait_while: The other function.
        has_left: Returns whether the client has gone.
    """

    def wait(is_held: Callable[[], bool], deadline: float) -> bool:
        # Not asked within is_held, which is called under a lock.
        while not has_left():
            until = min(deadline, time.monotonic() + _CHECK_S)
            if wait_while(is_held, until):
                return True
            if until == deadline or time.monotonic() < until:  # the time is over, or the server stops
                return False
        return False

    return wait
