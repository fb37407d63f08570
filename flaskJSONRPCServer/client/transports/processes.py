"""Distinguish a forked process from its parent, without a system call for each request."""

from __future__ import annotations

import os

__all__ = ["current_process"]


class Process:
    """The identity of a process."""


_current = Process()


def current_process() -> Process:
    """Return an object that is another one in each forked process."""
    return _current


def replace_process() -> None:
    global _current  # noqa: PLW0603  it is the state of the process
    _current = Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=replace_process)
