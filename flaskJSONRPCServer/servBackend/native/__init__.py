"""Serving with the server's own HTTP front: one thread for all connections, bounded threads for the calls."""

from .backend import NativeBackend

__all__ = ["NativeBackend"]
