"""The binding of a call whose parameters have type hints."""

from __future__ import annotations

from typing import Any

from ..contract.checks import ParameterChecks
from ..contract.mismatches import error_entry, errors_data
from ..runtime.contexts import own_context
from ..sansio_jsonrpc import JsonRpcInvalidParamsError
from .callables import BindingPlan, DecoratedPlan
from .signatures import NO_NAMES, Arguments, MisfitError, SignaturePlan

__all__ = ["CheckedDict", "CheckedList", "CheckedPlan", "Plan"]

Params = list[Any] | dict[str, Any]


class CheckedList(list[Any]):
    """Parameters by position that have been checked and converted."""

    __slots__ = ()


class CheckedDict(dict[str, Any]):
    """Parameters by name that have been checked and converted."""

    __slots__ = ()


class CheckedPlan:
    """Checks and converts the parameters of calls, and binds them.

    Args:
        plan: Binds them.
        checks: Checks and converts them.

    Attributes:
        takes_magic: Whether the function has the magic parameter.
    """

    __slots__ = ("_checks", "_plain_count", "_plain_types", "_plan", "_values_in_order", "takes_magic")

    def __init__(self, plan: BindingPlan, checks: ParameterChecks) -> None:
        self._plan = plan
        self._checks = checks
        self.takes_magic = plan.takes_magic
        # Values of exactly these types, in this order, need no check.
        self._plain_types: tuple[type | None, ...] = ()
        if isinstance(plan, SignaturePlan):
            self._plain_types = checks.plain_types(plan.names_in_order)
            self._values_in_order = plan.values_in_order
        self._plain_count = len(self._plain_types) or -1  # -1 is the length of no parameters

    def bind(self, params: Params | None, magic: Any = None) -> Arguments:
        """Return ``(args, kwargs)`` for the call, as :meth:`SignaturePlan.bind`.

        Raises:
            JsonRpcInvalidParamsError: The parameters do not fit; ``data`` lists all errors.
            BaseException: An exception of a validator of the user's.
        """
        if params and len(params) == self._plain_count:
            try:
                values = self._values_in_order(params) if isinstance(params, dict) else params
                if tuple(map(type, values)) == self._plain_types:
                    return values, NO_NAMES
            except KeyError:  # the plan raises the error for the client
                pass
        if params and type(params) is not CheckedList and type(params) is not CheckedDict:
            params = self._converted(params)
        try:
            return self._plan.bind(params, magic)
        except MisfitError as misfit:
            raise self._with_entries(misfit) from None

    def checked(self, params: Params | None) -> Params | None:
        """Return the parameters of a call for a later :meth:`bind`, which does not check them again.

        Raises:
            JsonRpcInvalidParamsError, BaseException: As :meth:`bind`.
        """
        if params:
            converted = self._converted(params)
            params = CheckedDict(converted) if isinstance(converted, dict) else CheckedList(converted)
        self.bind(params)
        return params

    def query_values(self, query: dict[str, str]) -> dict[str, Any]:
        """Return the texts of a query as JSON values of the types of the hints."""
        return self._checks.query_values(query)

    def by_name(self, params: Params | None) -> dict[str, Any]:
        """Return the parameters of a call by their names in the function."""
        return self._plan.by_name(params)

    def takes(self, name: str) -> bool:
        """Return whether the function takes a parameter of this name."""
        return self._plan.takes(name)

    def misfit(self, exc: BaseException) -> str | None:
        """Return why the parameters do not fit the function, if an exception of the call means that; else None."""
        return self._plan.misfit(exc)

    def _converted(self, params: Params) -> Params:
        if isinstance(self._plan, DecoratedPlan) and isinstance(params, list) and not self._plan.fits(params):
            return params  # the decorator adds or takes parameters, so their names are unknown
        try:
            if self._checks.may_run_user_code:  # its context variables end with the check
                return own_context().run(self._checks.converted, params)
            return self._checks.converted(params)
        except JsonRpcInvalidParamsError as exc:
            self._add_misfit(params, exc)
            raise

    def _add_misfit(self, params: Params, exc: JsonRpcInvalidParamsError) -> None:
        """Raise the error with what does not fit the signature too, if anything does not."""
        try:
            self._plan.bind(params)
        except MisfitError as misfit:
            raise self._with_entries(misfit, exc) from None

    def _with_entries(
        self, misfit: MisfitError, other: JsonRpcInvalidParamsError | None = None
    ) -> JsonRpcInvalidParamsError:
        """Return the error of parameters that do not fit, with all errors as those of types have them."""
        text = misfit.message.removeprefix("Invalid params: ")
        entries = [error_entry([name], problem, problem.replace(" ", "_")) for name, problem in misfit.problems]
        entries = entries or [error_entry([], text, "count")]
        listed = [*entries, *([] if other is None else other.data["errors"])]
        return JsonRpcInvalidParamsError(misfit.message, data=errors_data(sorted(listed, key=self._checks.order_of)))


Plan = BindingPlan | CheckedPlan
"""A plan that binds the parameters of calls, and checks those with hints."""
