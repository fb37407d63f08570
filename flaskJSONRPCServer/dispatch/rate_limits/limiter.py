"""The rate limits of a server: who asks, which limits hold for a call, and what becomes of one beyond them."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from ...http.guard import host_name
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
"""Code of the error for a member of a batch that was not run because it is beyond ``rateLimit``.

It is that of HTTP, and outside -32768 to -32000, which the specification keeps for itself.
"""

REPORT_PAUSE_S: Final = 60.0
"""How long the identity function may fail without another line in the log."""

Message = JsonRpcRequest | JsonRpcResponse | JsonRpcInvalidMessage


@dataclass(frozen=True, slots=True)
class Excess:
    """Why a call may not run.

    Attributes:
        item: The limit that it is beyond.
        retry_ms: In how many milliseconds that has a unit again.
    """

    item: RateLimitItem
    retry_ms: int

    @property
    def error(self) -> JsonRpcError:
        """The error of a member of a batch."""
        return JsonRpcError(RATE_LIMITED, f"Not run: over rateLimit ({self._limit})", {"retryAfterMs": self.retry_ms})

    @property
    def refusal(self) -> TooManyRequests:
        """The refusal of a whole request."""
        retry_s = ceil(self.retry_ms / 1000)
        return TooManyRequests(f"over rateLimit ({self._limit}); try again in {retry_s} s", retry_after_s=retry_s)

    @property
    def _limit(self) -> str:
        unit = self.item.GRANULARITY.name
        each = unit if self.item.multiples == 1 else f"{self.item.multiples} {unit}s"
        return f"{self.item.amount} per {each}"


class RateLimiter:
    """Holds calls against the limits.

    Every request takes a unit of the server and of its path before ``auth`` is asked and its body is read; what follows
    once its messages are known takes the rest. Limits are asked from the widest scope to the narrowest: the server's,
    the path's, the method's. What one of them refuses is not counted by those after it.

    Args:
        plan: The limits.
        counters: Count.
        log: Gets the failures of the identity function.
        copy_request: Makes the copy of a request that the identity function is given.
        name: What servers have in common that share counters.
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
        self._next_report_s = 0.0  # written by any thread: at worst there is a line too many

    def admit(self, request: Exchange, endpoint: Endpoint, route: Route | None) -> None:
        """Take a unit for a request: of the server, of its path and, where the route is known, of its method.

        Raises:
            TooManyRequests: There is none.
        """
        request.client_key = client_key(self._client_of(request))
        rules = [*self._wide_rules(endpoint), *(() if route is None else self._rules_of(route))]
        for rule in rules:
            excess = self._take(rule, request.client_key, 1)[1]
            if excess is not None:
                self._counters.count_refused(1)
                raise excess.refusal

    def price(self, message: Message | JsonRpcBatch, endpoint: Endpoint, exchange: Exchange) -> Message | JsonRpcBatch:
        """Take the units of all messages of an admitted request, before any of them runs.

        Returns:
            The messages, with an error in the place of each that is beyond a limit.

        Raises:
            TooManyRequests: All are.
        """
        messages = message if isinstance(message, JsonRpcBatch) else (message,)
        beyond = self._beyond(messages, endpoint, exchange.client_key)
        if not beyond:
            return message
        self._counters.count_refused(len(beyond))
        if len(beyond) == len(messages):
            raise max(beyond.values(), key=lambda excess: excess.retry_ms).refusal
        return JsonRpcBatch(
            refused(each, beyond[index]) if index in beyond else each for index, each in enumerate(messages)
        )

    def _beyond(self, messages: Sequence[Message], endpoint: Endpoint, client: str) -> dict[int, Excess]:
        """Return the messages that may not run, by their place, with the reason."""
        beyond: dict[int, Excess] = {}
        everything = range(len(messages))
        # The first message of those left has been paid for by admit().
        for rule in self._wide_rules(endpoint):
            self._charge(rule, [index for index in everything if index not in beyond][1:], client, beyond)
        for rule, indexes in self._narrow_rules(messages, endpoint).items():
            self._charge(rule, [index for index in indexes if index not in beyond], client, beyond)
        return beyond

    def _charge(self, rule: Rule, indexes: list[int], client: str, beyond: dict[int, Excess]) -> None:
        """Take a unit for each message, the first ones first, and note those for which there is none."""
        if indexes:
            units, excess = self._take(rule, client, len(indexes))
            if excess is not None:
                beyond.update(dict.fromkeys(indexes[units:], excess))

    def _take(self, rule: Rule, client: str, count: int) -> tuple[int, Excess | None]:
        """Take up to ``count`` units; return how many all limits of the rule have granted, and who has refused more."""
        excess = None
        key = (self._name, rule.scope, client)
        for item in rule.items:
            taken = self._counters.take(item, key, count)
            if taken.units < count:
                count = taken.units
                excess = max(excess or Excess(item, 0), Excess(item, taken.retry_ms), key=lambda each: each.retry_ms)
            if not count:
                break
        return count, excess

    def _wide_rules(self, endpoint: Endpoint) -> Iterator[Rule]:
        """Yield the rules of all calls on an endpoint."""
        if self._plan.server is not None:
            yield self._plan.server
        if (rule := self._plan.paths.get(endpoint.path)) is not None:
            yield rule

    def _narrow_rules(self, messages: Sequence[Message], endpoint: Endpoint) -> dict[Rule, list[int]]:
        """Return the rules of the methods that are called, with the places of their calls."""
        rules: dict[Rule, list[int]] = {}
        for index, message in enumerate(messages):
            route = endpoint.routes.get(message.method) if isinstance(message, JsonRpcRequest) else None
            for rule in () if route is None else self._rules_of(route):
                rules.setdefault(rule, []).append(index)
        return rules

    def _rules_of(self, route: Route) -> Iterator[Rule]:
        """Yield the rules of a method, whichever of its names they are for."""
        methods = self._plan.methods
        if methods:
            yield from (methods[name] for name in names_of(route) if name in methods)
        if route.rate_limit is not None:
            yield route.rate_limit

    def _client_of(self, request: Exchange) -> str:
        """Return the client of a request: as the identity function says, else by its address."""
        identity = self._plan.identity
        named = None if identity is None else self._named(identity, request)
        return f"address {address_of(request)}" if named is None else f"named {named}"

    def _named(self, identity: Callable[[Any], object], request: Exchange) -> str | None:
        try:
            named = own_context().run(identity, self._copy_request(request))  # what it sets is not for the next request
            if named is None or isinstance(named, str):
                return named or None
            raise TypeError(f"it returned a {type(named).__name__}; return a string, or None for the address")
        except Refusal:  # of a body that it asked for
            raise
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._report_failure()
            return None

    def _report_failure(self) -> None:
        """Log that the identity function has failed, now and then: a client may be able to make it fail each time."""
        now_s = time.monotonic()
        if now_s >= self._next_report_s:
            self._next_report_s = now_s + REPORT_PAUSE_S
            self._log.write(ERROR, "rateLimit['identity'] failed; the address counts", traceback=True)


def refused(message: Message, excess: Excess) -> JsonRpcInvalidMessage:
    """Return what stands in the place of a message that may not run. A notification gets no answer either way."""
    return JsonRpcInvalidMessage(None if isinstance(message, JsonRpcResponse) else message.id, excess.error)


def names_of(route: Route) -> list[str]:
    """Return by which names the option may mean a route: those that it was registered under, with path and without."""
    return [each for name in route.names or (route.name,) for each in (name, f"{route.path}{name}")]


def client_key(client: str) -> str:
    """Return what stands for a client in the keys of counters: of one length, and without a secret in clear."""
    return hashlib.blake2b(client.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def address_of(request: Request) -> str:
    """Return the address of a client, without the part that it may choose; empty where it has none.

    Whoever has one IPv6 address has all 2**64 of its network.
    """
    address = request.remote_addr or ""
    return network_of(address) if ":" in address else address


def network_of(address: str) -> str:
    """Return the /64 network of an IPv6 address, or the IPv4 address in it; of anything else the host, without a port.

    >>> network_of("2001:db8::1"), network_of("::ffff:192.0.2.1"), network_of("192.0.2.1:4711")
    ('2001:db8::/64', '192.0.2.1', '192.0.2.1')
    """
    host = host_name(address) if address.startswith("[") or address.count(":") == 1 else address
    try:
        parsed = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
