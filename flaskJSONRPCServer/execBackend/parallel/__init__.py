"""The exec backend that runs calls in a pool of processes."""

from .backend import ParallelBackend

__all__ = ["ParallelBackend"]
