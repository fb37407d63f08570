"""The rate limits of a server: the client of a request, the limits that apply to a call, the errors beyond them.

Limits are checked twice. A request takes one unit before ``auth`` and the body, since neither guesses nor garbage
should be free. The number of its calls is known when it is parsed; then all calls take their units at once. Those
beyond a limit are replaced by invalid messages that carry their errors, so no later step knows of limits.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ...http.networks import network_of
from ...http.refusals import Refusal, TooManyRequests
from ...http.request import Request
from ...runtime.contexts import own_context
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR, ServerLog
from ...sansio_jsonrpc import (
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcInvalidMessage,
    JsonRpcRequest,
    JsonRpcResponse,
)
from ..exchange import Exchange
from ..routes import Endpoint, Route
from .plan import RateLimitPlan, Rule

if TYPE_CHECKING:
    from limits import RateLimitItem

    from .counters import Counters

__all__ = ["RATE_LIMITED", "RateLimiter"]

RATE_LIMITED: Final = 429
"""Error code of a member of a batch that was not run because it exceeds ``rateLimit``.

It is HTTP's status, and outside of -32768 to -32000, the range that the specification reserves.
"""

REPORT_PAUSE_S: Final = 60.0
"""The time between two lines in the log about a failing identity function."""

Message = JsonRpcRequest | JsonRpcResponse | JsonRpcInvalidMessage


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """The reason why a call may not run.

    Attributes:
        item: The limit that the call exceeds.
        retry_ms: The time until the limit has a unit again, in milliseconds.
    """

    item: RateLimitItem
    retry_ms: int

    @property
    def error(self) -> JsonRpcError:
        """The error for a member of a batch."""
        return JsonRpcError(RATE_LIMITED, f"Not run: over rateLimit ({self._limit})", {"retryAfterMs": self.retry_ms})

    @property
    def refusal(self) -> TooManyRequests:
        """The refusal for a whole request."""
        retry_s = ceil(self.retry_ms / 1000)
        return TooManyRequests(f"over rateLimit ({self._limit}); try again in {retry_s} s", retry_after_s=retry_s)

    @property
    def _limit(self) -> str:
        unit = self.item.GRANULARITY.name
        window = unit if self.item.multiples == 1 else f"{self.item.multiples} {unit}s"
        return f"{self.item.amount} per {window}"


class RateLimiter:
    """Checks calls against the limits.

    Each request takes a unit of the server and of its path before ``auth`` is called and the body is read. The other
    units are taken when its messages are known. Limits are checked from the widest scope to the narrowest: those of the
    server, of the path, of the method. A call that one limit refuses is not counted by the next.

    Args:
        plan: The limits.
        counters: The counters of all clients.
        log: Gets the failures of the identity function.
        copy_request: Copies a request for the identity function.
        name: The common name of the servers that share counters.
    """

    def __init__(
        self,
        plan: RateLimitPlan,
        counters: Counters,
        log: ServerLog,
        copy_request: Callable[[Request], Any],
        name: str = "",
    ) -> None:
        self._plan = plan
        self._counters = counters
        self._log = log
        self._copy_request = copy_request
        self._name = name
        self._next_report_s = 0.0  # written by any thread: at worst the log has one line too many

    def admit(self, exchange: Exchange, endpoint: Endpoint, route: Route | None) -> None:
        """Take a unit for a request: of the server, of its path and, if the route is known, of its method.

        Raises:
            TooManyRequests: A limit has no unit left.
        """
        exchange.client_key = client_key(self._client_of(exchange))
        rules = [*self._wide_rules(endpoint), *(() if route is None else self._rules_of(route))]
        for rule in rules:
            excess = self._take(rule, exchange.client_key, 1)[1]
            if excess is not None:
                self._counters.count_refused(1)
                raise excess.refusal

    def admit_messages(
        self, message: Message | JsonRpcBatch, endpoint: Endpoint, exchange: Exchange
    ) -> Message | JsonRpcBatch:
        """Take the units of all messages of an admitted request, before any of them runs.

        Returns:
            The messages, with an error in place of each that exceeds a limit.

        Raises:
            TooManyRequests: All messages exceed a limit.
        """
        messages = message if isinstance(message, JsonRpcBatch) else (message,)
        excesses = self._excesses(messages, endpoint, exchange.client_key)
        if not excesses:
            return message
        self._counters.count_refused(len(excesses))
        if len(excesses) == len(messages):
            raise max(excesses.values(), key=lambda excess: excess.retry_ms).refusal
        return JsonRpcBatch(
            refusal_of(member, excesses[index]) if index in excesses else member
            for index, member in enumerate(messages)
        )

    def _excesses(self, messages: Sequence[Message], endpoint: Endpoint, client: str) -> dict[int, LimitExceeded]:
        """Return the messages that may not run: by their index, the reason."""
        excesses: dict[int, LimitExceeded] = {}
        all_indexes = range(len(messages))
        # admit() has taken the unit of the first remaining message.
        for rule in self._wide_rules(endpoint):
            self._take_each(rule, [index for index in all_indexes if index not in excesses][1:], client, excesses)
        for rule, indexes in self._narrow_rules(messages, endpoint).items():
            self._take_each(rule, [index for index in indexes if index not in excesses], client, excesses)
        return excesses

    def _take_each(self, rule: Rule, indexes: list[int], client: str, excesses: dict[int, LimitExceeded]) -> None:
        """Take a unit for each message in their order, and add the messages that get none to ``excesses``."""
        if indexes:
            units, excess = self._take(rule, client, len(indexes))
            if excess is not None:
                excesses.update(dict.fromkeys(indexes[units:], excess))

    def _take(self, rule: Rule, client: str, count: int) -> tuple[int, LimitExceeded | None]:
        """Take up to ``count`` units of a rule; return the number granted, and the reason if it is lower."""
        excess = None
        key = (self._name, rule.scope, client)
        for item in rule.items:
            grant = self._counters.take(item, key, count)
            if grant.units < count:
                count = grant.units
                excess = max(
                    excess or LimitExceeded(item, 0), LimitExceeded(item, grant.retry_ms), key=attrgetter("retry_ms")
                )
            if not count:
                break
        return count, excess

    def _wide_rules(self, endpoint: Endpoint) -> Iterator[Rule]:
        """Yield the rules for all calls on an endpoint."""
        if self._plan.server is not None:
            yield self._plan.server
        if (rule := self._plan.paths.get(endpoint.path)) is not None:
            yield rule

    def _narrow_rules(self, messages: Sequence[Message], endpoint: Endpoint) -> dict[Rule, list[int]]:
        """Return the rules of the called methods: for each rule, the indexes of its calls."""
        rules: dict[Rule, list[int]] = {}
        for index, message in enumerate(messages):
            route = endpoint.routes.get(message.method) if isinstance(message, JsonRpcRequest) else None
            for rule in () if route is None else self._rules_of(route):
                rules.setdefault(rule, []).append(index)
        return rules

    def _rules_of(self, route: Route) -> Iterator[Rule]:
        """Yield the rules of a method, under all of its names."""
        methods = self._plan.methods
        if methods:
            yield from (methods[name] for name in names_of(route) if name in methods)
        if route.rate_limit is not None:
            yield route.rate_limit

    def _client_of(self, request: Request) -> str:
        """Return the client of a request: the result of the identity function, or else the address."""
        identity = self._plan.identity
        name = None if identity is None else self._client_name(identity, request)
        return f"address {address_of(request)}" if name is None else f"named {name}"

    def _client_name(self, identity: Callable[[Any], object], request: Request) -> str | None:
        try:
            name = own_context().run(identity, self._copy_request(request))  # so that its context variables end here
            if name is None or isinstance(name, str):
                return name or None
            raise TypeError(f"it returned a {type(name).__name__}; return a string, or None for the address")
        except Refusal:  # it has read the body, which is refused
            raise
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._report_failure()
            return None

    def _report_failure(self) -> None:
        """Log a failure of the identity function, but not each one: a client may be able to make it fail every time."""
        now_s = time.monotonic()
        if now_s >= self._next_report_s:
            self._next_report_s = now_s + REPORT_PAUSE_S
            self._log.write(ERROR, "rateLimit['identity'] failed; the client goes by its address", traceback=True)


def refusal_of(message: Message, excess: LimitExceeded) -> JsonRpcInvalidMessage:
    """Return the message in place of one that may not run. A notification gets no answer either way."""
    return JsonRpcInvalidMessage(None if isinstance(message, JsonRpcResponse) else message.id, excess.error)


def names_of(route: Route) -> list[str]:
    """Return the names of a route that the option may use: all names of the registration, with and without the path."""
    return [form for name in route.names or (route.name,) for form in (name, f"{route.path}{name}")]


def client_key(client: str) -> str:
    """Return the key of a client in the counters: a hash, so that all keys have one length and show no secret."""
    return hashlib.blake2b(client.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def address_of(request: Request) -> str:
    """Return the address of a client, without the part that the client can choose; empty if it has no address."""
    return network_of(request.remote_addr or "")
