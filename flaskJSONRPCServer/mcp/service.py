"""Answers the messages of an endpoint, independent of the transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..dispatch.exchange import Exchange
from ..dispatch.invoker import logged_error
from ..dispatch.pipeline import Pipeline
from ..http.refusals import Refusal
from ..runtime.interrupts import is_interrupt
from ..sansio_jsonrpc import (
    JsonRpcError,
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcSerializationError,
    encode_result,
)
from .authorization import Grant
from .feature import AnyRounds, Feature, Method, NewControl, Result, Scope
from .older_content import older_result
from .protocol.errors import McpError, MethodNotFound, TooLarge
from .protocol.messages import error_text
from .protocol.requests import ClientRequest, is_retry, name_of
from .protocol.revisions import CURRENT, SUBSCRIPTION_ID, SUPPORTED
from .sources import Sources
from .subscriptions import UPDATES, Subscriptions, Watch, every_list
from .unwritable import UnwritableError, in_place_of_unwritable, unwritable_error

__all__ = ["Identity", "Reply", "Service"]

# A result may depend on the answers that its request brings, which no cache knows.
# Source: revision 2026-07-28, "Caching".
_NOT_CACHED: Final = {"ttlMs": 0, "cacheScope": "private"}

_new_scope: Final = Scope.__new__


@dataclass(frozen=True, slots=True)
class Identity:
    """The description that an endpoint gives of itself.

    Attributes:
        info: Its name and version, and optionally its title and a description.
        meta: What each result has as ``_meta``: the same, under its key.
        instructions: What a model should know of it; empty for nothing.
        caching: How long clients may keep lists: ``ttlMs`` and ``cacheScope``.
    """

    info: Mapping[str, Any]
    meta: Mapping[str, Any]
    instructions: str
    caching: Mapping[str, Any]


# Not frozen: the constructor of a frozen class takes 2.5 times as long.
@dataclass(slots=True)
class Reply:
    """The response to a request.

    Attributes:
        text: The message.
        status: The HTTP status.
        retry_after_s: In how many seconds to try again; None if nobody knows.
    """

    text: bytes
    status: str = "200 OK"
    retry_after_s: int | None = None


class Service:
    """The features of an endpoint, put together.

    Args:
        sources: The parts of the server.
        identity: Returns what the endpoint says about itself.
        features: The tools, and what else there is.
        subscriptions: The streams of notifications.

    Attributes:
        subscriptions: As given.
    """

    def __init__(
        self,
        sources: Sources,
        identity: Callable[[], Identity],
        features: Sequence[Feature],
        subscriptions: Subscriptions,
    ) -> None:
        self._sources = sources
        self._identity = identity
        self._features = tuple(features)
        self._methods: dict[str, tuple[Callable[[], object], Method]] = {
            name: (one.capability, method) for one in reversed(self._features) for name, method in one.methods.items()
        }
        self._methods["server/discover"] = dict, Method(self._discover, is_in_sessions=False)
        self.subscriptions = subscriptions
        self._known_identity: tuple[Pipeline, Identity] | None = None  # replaced in one step

    def capabilities(self) -> dict[str, Any]:
        """Return what the endpoint offers, by name."""
        offers: dict[str, Any] = {"logging": {}}  # any function may log
        for feature in self._features:
            offer = feature.capability()
            if offer is not None:
                offers.setdefault(feature.name, {}).update(offer)
        return offers

    def notifications(self) -> set[str]:
        """Return the keys of subscription filters that the endpoint supports.

        An empty list is no capability, but its first entry is a change of it, which is announced.
        """
        can_subscribe = self.capabilities().get("resources", {}).get("subscribe")
        return {*every_list(), UPDATES} if can_subscribe else set(every_list())

    def watches(self, request: ClientRequest, scope: Scope) -> list[Watch]:
        """Return the single things that a new stream follows.

        Raises:
            McpError: It asks for something that it cannot get.
        """
        watches = (feature.watch(request, scope) for feature in self._features)
        return [watch for watch in watches if watch is not None]

    def identity(self, pipeline: Pipeline) -> Identity:
        """Return what the endpoint says about itself: the same as long as a pipeline freezes the settings."""
        known = self._known_identity
        if known is None or known[0] is not pipeline:
            known = self._known_identity = pipeline, self._identity()
        return known[1]

    def method(self, name: str) -> Method:
        """Return a method.

        Raises:
            MethodNotFound: The endpoint does not have it.
        """
        known = self._methods.get(name)
        if known is None:
            raise MethodNotFound("Method not found")
        capability, method = known
        if capability() is None:
            raise MethodNotFound("Method not found")
        return method

    def reply(self, request: ClientRequest, method: Method, scope: Scope) -> Reply:
        """Answer a request that has been admitted.

        Args:
            request: The request.
            method: Its method.
            scope: What surrounds it.

        Raises:
            Refusal: It gets an HTTP error.
        """
        scope.exchange.carrier = request.meta
        answer = method.answer
        try:
            text = self._result_text(request, answer(request, scope), scope.pipeline)
            most = self._sources.settings.max_response_bytes
            if len(text) <= most:
                return Reply(text)
            return self.refusal(TooLarge(f"Response over max_response_bytes ({most} bytes)"), request.id)
        except McpError as exc:
            return self.refusal(exc, request.id)
        except Refusal:
            raise
        except JsonRpcSerializationError:
            return self._failed(request, method, scope.exchange)
        except JsonRpcException as exc:
            error = exc.get_error()
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            return self._failed(request, method, scope.exchange)
        return self._error_reply(request, error, scope.exchange)

    def scope(
        self,
        pipeline: Pipeline,
        exchange: Exchange,
        new_control: NewControl,
        rounds: AnyRounds,
        grant: Grant | None = None,
    ) -> Scope:
        """Return what surrounds a request.

        Args:
            pipeline: The pipeline that makes its calls.
            exchange: The HTTP request that it came by.
            new_control: Returns the control of the next run of its function.
            rounds: Runs its function.
            grant: What the token of the client allows; None without tokens.
        """
        if grant is not None:
            exchange.grant = grant
        # Without __init__: there is one scope per request, and a constructor in Python takes half as long again.
        scope = _new_scope(Scope)
        scope.pipeline, scope.exchange, scope.grant = pipeline, exchange, grant
        scope.new_control, scope.rounds, scope.keeps_arguments = new_control, rounds, rounds.runs_again
        return scope

    def end_of_stream(self, request: ClientRequest) -> bytes:
        """Return the response to a request for a stream of notifications, which the server ends."""
        result = self._whole({"_meta": {SUBSCRIPTION_ID: request.id}}, request, self._sources.pipeline())
        return encode_result(self._sources.codec(), request.id, result)

    def refusal(self, exc: McpError, request_id: Any) -> Reply:
        """Return the response to a request that cannot be answered with a result."""
        return Reply(self._error_text(request_id, exc.error), exc.status, exc.retry_after_s)

    def _whole(self, result: Result, request: ClientRequest, pipeline: Pipeline) -> dict[str, Any]:
        """Return a result with what each result has."""
        if request.revision != CURRENT:
            return older_result(result, request.revision)
        known = self._known_identity  # identity(), without the cost of its call
        meta = (known[1] if known is not None and known[0] is pipeline else self.identity(pipeline)).meta
        if "_meta" in result:
            meta = {**meta, **result["_meta"]}
        whole: dict[str, Any] = {"resultType": "complete", **result}
        whole["_meta"] = meta
        if "cacheScope" in whole and is_retry(request):
            whole.update(_NOT_CACHED)
        return whole

    def _result_text(self, request: ClientRequest, result: Result, pipeline: Pipeline) -> bytes:
        """Return the response with a result.

        Raises:
            UnwritableError: A value has no JSON form.
        """
        codec = pipeline.steps.codec
        try:
            return encode_result(codec, request.id, self._whole(result, request, pipeline))
        except JsonRpcSerializationError as exc:
            failure = exc
        raise unwritable_error(codec, {"result": dict(result)}, failure)

    def _discover(self, request: ClientRequest, scope: Scope) -> Result:
        identity = self.identity(scope.pipeline)
        instructions = {"instructions": identity.instructions} if identity.instructions else {}
        offers = {"supportedVersions": list(SUPPORTED), "capabilities": self.capabilities()}
        return {**offers, **instructions, **identity.caching}

    def _error_text(self, request_id: Any, error: JsonRpcError) -> bytes:
        return error_text(self._sources.codec(), request_id, error)

    def _error_reply(self, request: ClientRequest, error: JsonRpcError, exchange: Exchange) -> Reply:
        """Return the response with an error of a function, or in its place one with the id in the log."""
        try:
            return Reply(self._error_text(request.id, error))
        except JsonRpcSerializationError as exc:
            failure = exc
        try:
            raise unwritable_error(self._sources.codec(), {"data": error.data, "message": error.message}, failure)
        except UnwritableError:
            logged = self._logged(request, exchange)
        return Reply(self._error_text(request.id, in_place_of_unwritable(logged)))

    def _failed(self, request: ClientRequest, method: Method, exchange: Exchange) -> Reply:
        """Return the response to a request whose answer has failed with the present exception, which is logged."""
        failure = self._logged(request, exchange)
        if method.failure is None:
            return Reply(self._error_text(request.id, failure.get_error()))
        result = self._whole(method.failure(failure), request, self._sources.pipeline())
        return Reply(encode_result(self._sources.codec(), request.id, result))

    def _logged(self, request: ClientRequest, exchange: Exchange) -> JsonRpcInternalError:
        """Log the exception that is being handled, and return the error that has the id of the log entry."""
        log, debug = self._sources.facts.log, self._sources.settings.debug
        return logged_error(log, f"{name_of(request)} failed", exchange.unique_id, debug=debug)
