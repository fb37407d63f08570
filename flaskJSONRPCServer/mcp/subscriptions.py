"""Streams of change notifications, which clients keep open.

Source: revision 2026-07-28, "Subscriptions".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..runtime.concurrency import make_lock
from ..runtime.interrupts import is_interrupt
from ..runtime.logs import ERROR, ServerLog
from ..sansio_jsonrpc import ABSENT, Codec
from .protocol.errors import MalformedRequest
from .protocol.messages import Send, notification_text
from .protocol.requests import ClientRequest
from .protocol.revisions import SUBSCRIPTION_ID

__all__ = [
    "MOST_URIS",
    "PROMPTS",
    "RESOURCES",
    "TOOLS",
    "UPDATES",
    "Filter",
    "Subscriptions",
    "Watch",
    "WatchedState",
    "every_list",
    "filter_of",
]

TOOLS: Final = "toolsListChanged"
PROMPTS: Final = "promptsListChanged"
RESOURCES: Final = "resourcesListChanged"
UPDATES: Final = "resourceSubscriptions"

_NOTIFICATIONS: Final = {
    TOOLS: "notifications/tools/list_changed",
    PROMPTS: "notifications/prompts/list_changed",
    RESOURCES: "notifications/resources/list_changed",
}

MOST_URIS: Final = 1000


@dataclass(frozen=True, slots=True)
class Filter:
    """The changes that a client wants notifications of.

    Attributes:
        lists: The lists.
        uris: The resources.
    """

    lists: frozenset[str]
    uris: Collection[str]

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        members: dict[str, Any] = dict.fromkeys(sorted(self.lists), True)
        return {**members, UPDATES: sorted(self.uris)} if self.uris else members


@dataclass(frozen=True, slots=True)
class WatchedState:
    """The state of a single thing at one moment.

    Attributes:
        number: The number of changes before. A stream sends a state only if its number is higher than the last one.
        members: The state, as JSON values.
    """

    number: int
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Watch:
    """Single things that a client wants to follow, such as its tasks.

    Attributes:
        name: The member of the filter that names them.
        ids: The ids of the things. Of each, a stream keeps the number of the last state beside, and nothing else.
        state: Returns the present state of one by its id; None if it is gone.
        method: The notification about it.
    """

    name: str
    ids: Collection[str]
    state: Callable[[str], WatchedState | None]
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """One open stream.

    Attributes:
        id: The id of the request that opened it; ABSENT for a session.
        wanted: The filter of its client.
        send: Sends a message to the client.
        watches: The single things that it follows.
        sent: The numbers of the states that were sent last, by the name of the watch and the id of the thing.
    """

    id: Any
    wanted: Filter
    send: Send
    watches: Sequence[Watch] = ()
    sent: dict[tuple[str, str], int] = field(default_factory=dict)  # guarded by Subscriptions._sending

    def members(self) -> dict[str, Any]:
        """Return what the client receives, as JSON values."""
        return {**self.wanted.members(), **{watch.name: sorted(watch.ids) for watch in self.watches}}


class Subscriptions:
    """The open streams of an endpoint.

    Args:
        codec: Returns the codec.
        log: Gets what could not be sent.
    """

    def __init__(self, codec: Callable[[], Codec], log: ServerLog) -> None:
        self._codec = codec
        self._log = log
        self._sending = make_lock()  # each client gets the changes in their order
        # Changed by single operations of a dict, without a lock: a send may close a stream, in the same thread.
        self._open: dict[Subscription, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(
        self, request: ClientRequest, offered: Collection[str], send: Send, watches: Sequence[Watch] = ()
    ) -> Callable[[], None]:
        """Open a subscription: acknowledge its filter, then send notifications.

        Args:
            request: The request that opens the stream.
            offered: The keys of filters that the endpoint supports.
            send: Sends a message to the client.
            watches: The single things that the client follows; their present states are sent first.

        Returns:
            A function that ends it.

        Raises:
            MalformedRequest: The request has no valid filter.
        """
        subscription = Subscription(request.id, filter_of(request, offered), send, watches)
        with self._sending:  # the acknowledgement is the first message
            self._open[subscription] = None  # before it: then the client counts on each change
            try:
                self._send_present(subscription)
            except BaseException:
                self._end(subscription)
                raise
        return lambda: self._end(subscription)

    def _send_present(self, subscription: Subscription) -> None:
        """Send the acknowledgement, and the present states of the followed things."""
        accepted = {"notifications": subscription.members()}
        self._send(subscription, "notifications/subscriptions/acknowledged", accepted)
        for watch in subscription.watches:
            for item_id in sorted(watch.ids):
                state = watch.state(item_id)
                if state is not None:
                    subscription.sent[watch.name, item_id] = state.number
                    self._send(subscription, watch.method, state.members)

    def join(self, wanted: Filter, send: Send) -> Callable[[], None]:
        """Open the subscription of a session.

        Args:
            wanted: Its filter, which may change while the session lasts.
            send: Sends a message to the client.

        Returns:
            A function that ends it.
        """
        subscription = Subscription(ABSENT, wanted, send)
        self._open[subscription] = None
        return lambda: self._end(subscription)

    def list_changed(self, kind: str) -> None:
        """Notify subscribers of a changed list: one of TOOLS, PROMPTS, RESOURCES."""
        self._tell(lambda wanted: kind in wanted.lists, _NOTIFICATIONS[kind], {})

    def resource_updated(self, uri: str) -> None:
        """Notify subscribers of a changed resource."""
        self._tell(lambda wanted: uri in wanted.uris, "notifications/resources/updated", {"uri": uri})

    def tell_watchers(self, name: str, item_id: str, state: Callable[[], WatchedState]) -> None:
        """Send the followers of a thing its present state, unless they have it. A failure is logged.

        Args:
            name: The member of the filter that names it.
            item_id: Its id.
            state: Returns its state.
        """
        with self._sending:  # so the last notification has the last state
            for subscription in list(self._open):
                for watch in subscription.watches:
                    if watch.name == name and item_id in watch.ids:
                        self._send_newer(subscription, watch, item_id, state())

    def _send_newer(self, subscription: Subscription, watch: Watch, item_id: str, state: WatchedState) -> None:
        """Send a state, unless it has been sent: two changes may come before the notification of the first."""
        last = subscription.sent.get((watch.name, item_id))
        if last is None or last < state.number:
            subscription.sent[watch.name, item_id] = state.number
            self._send_or_log(subscription, watch.method, state.members)

    def _tell(self, wants: Callable[[Filter], bool], method: str, params: Mapping[str, Any]) -> None:
        with self._sending:
            for subscription in list(self._open):
                if wants(subscription.wanted):
                    self._send_or_log(subscription, method, params)

    def _send_or_log(self, subscription: Subscription, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification. A failure is logged: the other clients get theirs."""
        try:
            self._send(subscription, method, params)
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._log.write(ERROR, f"{method} could not be sent to a client", traceback=True)

    def _send(self, subscription: Subscription, method: str, params: Mapping[str, Any]) -> None:
        meta = {} if subscription.id is ABSENT else {"_meta": {SUBSCRIPTION_ID: subscription.id}}
        subscription.send(notification_text(self._codec(), method, {**meta, **params}))

    def _end(self, subscription: Subscription) -> None:
        self._open.pop(subscription, None)


def every_list() -> frozenset[str]:
    """Return the lists whose changes an endpoint announces."""
    return frozenset(_NOTIFICATIONS)


def filter_of(request: ClientRequest, offered: Collection[str]) -> Filter:
    """Return the filter of a request, reduced to what the endpoint supports.

    Raises:
        MalformedRequest: It is no filter.
    """
    wanted = request.params.get("notifications")
    if not isinstance(wanted, dict):
        raise MalformedRequest("Invalid params: notifications is not an object")
    for name in _NOTIFICATIONS:
        if not isinstance(wanted.get(name, False), bool):
            raise MalformedRequest(f"Invalid params: {name} is neither true nor false")
    uris = wanted.get(UPDATES, [])
    if not isinstance(uris, list) or len(uris) > MOST_URIS or not all(isinstance(uri, str) for uri in uris):
        raise MalformedRequest(f"Invalid params: {UPDATES} is no list of at most {MOST_URIS} strings")
    lists = frozenset(name for name in _NOTIFICATIONS if wanted.get(name) and name in offered)
    return Filter(lists, frozenset(uris) if UPDATES in offered else frozenset())
