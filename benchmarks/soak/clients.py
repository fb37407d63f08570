"""Well-behaved clients, which check every answer."""

import http.client
import json
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flaskJSONRPCServer.dispatch.remote import WORKER_LOST

from .samples import Recorder
from .server import PATH
from .stalls import StallWatch

# The number of requests that a stall of the machine has cut off. Some of them may have run.
CUT = "cut while the machine stood still"

Payload = dict[str, Any] | list[dict[str, Any]]

_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client connects, and how often it sends requests.

    Attributes:
        pause_s: The time between an answer and the next request.
        is_secure: Whether it uses TLS.
        renews: Whether it opens a connection for each request.
    """

    pause_s: float
    is_secure: bool = False
    renews: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The servers under load.

    Attributes:
        plain: The address of the server without TLS.
        secure: The address of the server with TLS.
        authority: The file of the certificate authority.
    """

    plain: tuple[str, int]
    secure: tuple[str, int]
    authority: Path

    def connection(self, *, is_secure: bool) -> http.client.HTTPConnection:
        """Return an unopened connection to one of the servers."""
        if not is_secure:
            return http.client.HTTPConnection(*self.plain, timeout=_TIMEOUT_S)
        return http.client.HTTPSConnection(*self.secure, timeout=_TIMEOUT_S, context=self.tls())

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)


class Client(threading.Thread):
    """Sends one request after another, over a persistent connection or over new ones.

    Args:
        target: The servers.
        manner: How it connects.
        recorder: Records every answer.
        stalls: Knows whether the machine has stalled.
        deadline: The end, by the monotonic clock.
        seed: The seed of its random choices.

    Attributes:
        counts: The number of answers of each kind.
        faults: A sentence for each wrong or missing answer.
    """

    def __init__(
        self, target: Target, manner: Manner, recorder: Recorder, stalls: StallWatch, deadline: float, seed: int
    ) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._connection = target.connection(is_secure=manner.is_secure)
        self._manner = manner
        self._recorder = recorder
        self._stalls = stalls
        self._deadline = deadline
        self._random = random.Random(seed)
        self._version = 0
        self._value = 0

    def run(self) -> None:
        kinds: list[tuple[Callable[[], None], int]] = [
            (self._call, 60),
            # Only the server without TLS is reloaded.
            (self._get_version, 0 if self._manner.is_secure else 15),
            (self._batch, 10),
            (self._notify, 10),
            (self._fail, 5),
        ]
        kinds, weights = zip(*kinds, strict=True)  # type: ignore[assignment]
        while time.monotonic() < self._deadline:
            work = self._random.choices(kinds, weights)[0]
            began = time.monotonic()
            try:
                work()  # type: ignore[operator]
            except Exception as exc:  # noqa: BLE001  every failure is reported
                if self._stalls.explains(began):
                    self.counts[CUT] += 1
                else:
                    self.faults.append(f"{work.__name__}: {exc!r}")  # type: ignore[attr-defined]
                self._connection.close()
            if self._manner.renews:
                self._connection.close()
            time.sleep(self._manner.pause_s)
        self._connection.close()

    def _call(self) -> None:
        method = self._random.choice(["echo", "pooled", "locked", "make_cycle"])
        call = self._next_call(method)
        self._hold(self._post(call), {"jsonrpc": "2.0", "result": call["params"][0], "id": call["id"]})
        self.counts["calls"] += 1

    def _fail(self) -> None:
        call = self._next_call("fail")
        error = {"code": 1, "message": "as asked", "data": call["params"][0]}
        self._hold(self._post(call), {"jsonrpc": "2.0", "error": error, "id": call["id"]})
        self.counts["calls"] += 1

    def _get_version(self) -> None:
        first, second = self._post({"jsonrpc": "2.0", "method": "version", "id": 1})["result"]
        if first != second or first < self._version:
            self.faults.append(f"version {first}, {second} after {self._version}: neither old nor new")
        self._version = first
        self.counts["calls"] += 1

    def _batch(self) -> None:
        calls = [self._next_call(method) for method in ("echo", "pooled", "locked", "pooled", "echo")]
        note = {"jsonrpc": "2.0", "method": "note"}
        answers = self._post([*calls, note, note])
        self._hold(answers, [{"jsonrpc": "2.0", "result": call["params"][0], "id": call["id"]} for call in calls])
        self.counts["calls"] += len(calls)
        self.counts["notifications"] += 2
        self.counts["batches"] += 1

    def _notify(self) -> None:
        self._hold(self._post({"jsonrpc": "2.0", "method": "note"}), None)
        self.counts["notifications"] += 1

    def _next_call(self, method: str) -> dict[str, Any]:
        self._value += 1
        return {"jsonrpc": "2.0", "method": method, "params": [f"{self.name} {self._value}"], "id": self._value}

    def _hold(self, answer: Any, expected: Any) -> None:
        if isinstance(answer, list) and isinstance(expected, list) and len(answer) == len(expected):
            for pair in zip(answer, expected, strict=True):
                self._hold(*pair)
        elif is_killed(answer) and answer["id"] == expected["id"]:
            self.counts["killed calls"] += 1
        elif answer != expected:
            self.faults.append(f"answer {answer!r} instead of {expected!r}")

    def _post(self, payload: Payload) -> Any:
        """Send a request until it is not refused for lack of threads. A refused request has not run."""
        while True:
            status, text = self._exchange(json.dumps(payload))
            if status != 503:
                break
            self.counts["unavailable"] += 1
            self._recorder.unavailable()
            self._connection.close()
            time.sleep(0.1)
        if status not in (200, 204):
            raise RuntimeError(f"status {status}: {text!r}")
        return json.loads(text) if text else None

    def _exchange(self, body: str) -> tuple[int, bytes]:
        began = time.monotonic()
        fields = {"Content-Type": "application/json"} | ({"Connection": "close"} if self._manner.renews else {})
        self._connection.request("POST", PATH, body.encode(), fields)
        response = self._connection.getresponse()
        text = response.read()
        self._recorder.answered(time.monotonic() - began)
        return response.status, text


def is_killed(answer: Any) -> bool:
    """Return whether a call was lost with its process."""
    return isinstance(answer, dict) and answer.get("error", {}).get("code") == WORKER_LOST


class Flood(threading.Thread):
    """Opens many connections at once from time to time, with a slow call on each.

    A call that finds neither a thread nor room in the queue must be answered by 503, all others by their result.

    Args:
        target: The servers.
        recorder: Records every 503.
        stalls: Knows whether the machine has stalled.
        deadline: The end, by the monotonic clock.
    """

    SIZE = 200
    EVERY_S = 20.0

    def __init__(self, target: Target, recorder: Recorder, stalls: StallWatch, deadline: float) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._target = target
        self._recorder = recorder
        self._stalls = stalls
        self._deadline = deadline

    def run(self) -> None:
        while time.monotonic() + self.EVERY_S < self._deadline:
            began = time.monotonic()
            try:
                self._flood()
            except (AssertionError, OSError, http.client.HTTPException) as exc:
                if self._stalls.explains(began):
                    self.counts[CUT] += 1
                else:
                    self.faults.append(f"flood: {exc!r}")
            time.sleep(self.EVERY_S)

    def _flood(self) -> None:
        connections = [self._target.connection(is_secure=False) for _ in range(self.SIZE)]
        call = {"jsonrpc": "2.0", "method": "nap", "id": 1}
        for connection in connections:
            connection.request("POST", PATH, json.dumps(call).encode(), {"Content-Type": "application/json"})
        for connection in connections:
            response = connection.getresponse()
            body = response.read()
            connection.close()
            self._take(response.status, body)

    def _take(self, status: int, body: bytes) -> None:
        if status == 503:
            self.counts["flood, 503"] += 1
            self._recorder.unavailable()
        elif status == 200 and json.loads(body)["result"] is None:
            self.counts["flood, answered"] += 1
        else:
            raise AssertionError(f"status {status}: {body!r}")
