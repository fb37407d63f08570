"""The ways of responses to a client: a line for each, or an array for a batch (JSON-RPC 2.0, section 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...runtime.concurrency import make_lock
from .output import Output

__all__ = ["BatchReply", "ReplyTo", "reply_to_line"]


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """The way of one response. One of both functions is called with it, or with None if the request gets none.

    Attributes:
        now: For the thread that reads, which must not wait for the client.
        later: For the thread of the request.
    """

    now: Callable[[bytes | None], object]
    later: Callable[[bytes | None], object]


def reply_to_line(output: Output) -> ReplyTo:
    """Return the way of a response that is a line of its own."""

    def with_each(write: Callable[[bytes], object]) -> Callable[[bytes | None], object]:
        return lambda response: None if response is None else write(response)

    return ReplyTo(with_each(output.post), with_each(output.send))


class BatchReply:
    """Collects the responses to the requests of a batch, and writes them as one array once all have ended.

    Args:
        requests: How many requests there are.
        output: Writes the array.
    """

    def __init__(self, requests: int, output: Output) -> None:
        self._output = output
        self._changing = make_lock()
        self._open = requests  # guarded by _changing, as the next one
        self._responses: list[bytes] = []

    def to_one(self) -> ReplyTo:
        """Return the way of the response to one request. Only the first call of its functions counts."""
        has_come: list[bool] = []

        def with_last(write: Callable[[bytes], object]) -> Callable[[bytes | None], object]:
            return lambda response: self._take(response, has_come, write)

        return ReplyTo(with_last(self._output.post), with_last(self._output.send))

    def _take(self, response: bytes | None, has_come: list[bool], write: Callable[[bytes], object]) -> None:
        with self._changing:
            if has_come:
                return
            has_come.append(True)
            self._open -= 1
            if response is not None:
                self._responses.append(response)
            is_whole = self._open == 0 and self._responses
        if is_whole:
            write(b"[%b]" % b",".join(self._responses))
