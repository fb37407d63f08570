"""The server's own HTTP front: one thread for all connections, a bounded pool of threads for the calls."""

from .backend import NativeBackend

__all__ = ["NativeBackend"]
