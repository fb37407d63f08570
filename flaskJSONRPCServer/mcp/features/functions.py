"""The functions of resources, prompts and completions. They run as methods of the server do, which nobody can call.

So middleware on the path of the endpoint, locks, statistics, the errors of exceptions and coroutines work as for a
method. They run in the serving thread: no exec backend and no timeout of the server is used for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter
from typing import Any

from ...contract.docstrings import Documentation, documentation_of
from ...contract.method import Contract
from ...contract.results import result_writer
from ...contract.tool_params import call_params
from ...dispatch.call_control import CallControl
from ...dispatch.checked_plan import CheckedPlan
from ...dispatch.registration import names_of
from ...dispatch.routes import Endpoint, Route
from ...errors import RegistrationError
from ...runtime.logs import WARNING
from ...sansio_jsonrpc import JsonRpcError, JsonRpcException, JsonRpcRequest
from ..asking.ask import questions_in
from ..calls.leaving import protocol_error_in
from ..feature import Scope
from ..protocol.errors import INTERNAL_ERROR, is_kept_code
from ..sources import Sources

__all__ = ["CALL_ID", "Functions", "ServedFunction", "name_of"]

CALL_ID = 1
"""The id of a call of a function. Clients never see it."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedFunction:
    """One function.

    Attributes:
        route: Its route, which no request finds.
        endpoint: The path with this route alone.
        contract: Its types and its documentation.
        write: Returns the JSON form of a result by its hint; None if it stays as it is.
    """

    route: Route
    endpoint: Endpoint
    contract: Contract
    write: Callable[[Any], Any] | None

    @property
    def documentation(self) -> Documentation:
        """Its docstring, parsed."""
        return documentation_of(self.contract.function)

    @property
    def description(self) -> str:
        """The texts of its docstring; empty without one."""
        documentation = self.documentation
        return "\n\n".join(filter(None, (documentation.summary, documentation.description)))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters without ``_connection``."""
        return self.contract.parameters

    @property
    def takes_connection(self) -> bool:
        """Whether it sees the request."""
        return self.route.plan.takes_magic

    def refuse_names(self, names: Sequence[str], what: str) -> None:
        """Check that it takes some arguments, and needs no others.

        Args:
            names: The names of the arguments.
            what: Where they come from, in words.

        Raises:
            RegistrationError: It does not.
        """
        required = {parameter.name for parameter in self.parameters if is_required(parameter)}
        if missing := sorted(required - set(names)):
            raise RegistrationError(
                f"{self.route.function!r} is refused: {what} does not name the required {', '.join(missing)}"
            )
        known = {parameter.name for parameter in self.parameters}
        if unknown := [name for name in names if name not in known and not self.route.plan.takes(name)]:
            raise RegistrationError(f"{self.route.function!r} is refused: it has no parameter {', '.join(unknown)}")

    def params_of(self, texts: Mapping[str, str]) -> dict[str, Any] | list[Any]:
        """Return the parameters of a call with these texts, which become values of the hints as those of a query do.

        Raises:
            JsonRpcInvalidParamsError: No call can pass them.
        """
        plan = self.route.plan
        values = plan.query_values(dict(texts)) if isinstance(plan, CheckedPlan) else dict(texts)
        return call_params(self.contract, values)


class Functions:
    """Makes and calls the functions of an endpoint.

    Args:
        sources: The parts of the server.
        path: The path of the endpoint.
    """

    def __init__(self, sources: Sources, path: str) -> None:
        self._sources = sources
        self._path = path

    def make(self, function: Any, name: str) -> ServedFunction:
        """Return a function to call.

        Args:
            function: The function.
            name: Its name after the path of the endpoint in statistics and logs, such as ``resources/config``.

        Raises:
            RegistrationError: It cannot be registered.
        """
        registrar = self._sources.registrar
        route = registrar.function_routes(function, path=self._path, fallback=False, name=name)[0]
        contract = route.contract
        assert contract is not None  # noqa: S101  a registered function has one
        # Middleware and the endpoint get what the function returns: bytes have no JSON form.
        route = replace(route, contract=replace(contract, result=None))
        return ServedFunction(route, Endpoint(route.path, {route.name: route}), contract, result_writer(contract))

    def call(
        self, function: ServedFunction, params: dict[str, Any] | list[Any], scope: Scope, control: CallControl | None
    ) -> Any:
        """Call a function, and return its result.

        Args:
            function: The function.
            params: The parameters.
            scope: What surrounds the request.
            control: Its progress, its cancellation and the answers to its questions; None if it has none of these.

        Raises:
            JsonRpcException: The call has failed.
        """
        scope.exchange.control = control
        call = JsonRpcRequest(function.route.name, params, CALL_ID)
        try:
            return scope.pipeline.steps.answerer.result(call, function.endpoint, scope.exchange)
        except JsonRpcException as exc:
            failure = self._sendable(exc, function.route)
            if failure is exc:
                raise
            raise failure from exc

    def _sendable(self, exc: JsonRpcException, route: Route) -> JsonRpcException:
        """Return the error of a request for the error of its function."""
        if questions_in(exc) is not None:
            return exc
        failure = protocol_error_in(exc) or exc
        error = failure.get_error()
        if not is_kept_code(error.code):
            return failure
        kept = f"{route.url} raised an error with the code {error.code}, which the protocol keeps for itself"
        self._sources.facts.log.write(WARNING, f"{kept}: the client gets {INTERNAL_ERROR}")
        return JsonRpcException.exc_from_error(JsonRpcError(INTERNAL_ERROR, error.message, error.data))


def name_of(function: Any, name: Any) -> str:
    """Return the name of a resource or a prompt: that of its function, unless another one is given.

    Raises:
        RegistrationError: It has none, or the function cannot be registered.
    """
    return names_of(function, name)[0]


def is_required(parameter: Parameter) -> bool:
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return parameter.default is Parameter.empty and parameter.kind not in variadic
