"""Check that the results of tools are what their schemas say: clients check it too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...contract.method import Contract
from ...contract.root_types import RootTypes
from ...contract.tool_schemas import has_known_forms

if TYPE_CHECKING:
    from ...contract.schema_checks import SchemaCheck

__all__ = ["ResultSchema", "ResultSchemaError", "result_schema_of"]


class ResultSchemaError(TypeError):
    """The function of a tool has returned another value than its hint or schema says."""


class ResultSchema:
    """Checks the results of one tool.

    Args:
        schema: The schema of the results.
        check: Checks whole results; None if their types alone are checked.
        has_own_forms: Returns whether the values may have other forms than the schema says. Then their types alone
            are checked.
    """

    __slots__ = ("_check", "_fitting", "_has_own_forms", "_types")

    def __init__(
        self, schema: Mapping[str, Any], check: SchemaCheck | None, has_own_forms: Callable[[], bool] = lambda: False
    ) -> None:
        self._types = types = RootTypes(schema)
        # The most frequent types of results, as far as the schema says no more about their values.
        kinds = {str: types.allows("string"), int: types.allows("integer")}
        self._fitting = frozenset(kind for kind, fits in kinds.items() if fits and check is None)
        self._check = check
        self._has_own_forms = has_own_forms

    def refuse_other(self, value: Any, text: str) -> None:
        """Check a result.

        Args:
            value: The result.
            text: It as text: a string as it is, anything else as JSON.

        Raises:
            ResultSchemaError: The schema says another value.
        """
        kind = type(value)
        if kind in self._fitting and (kind is str or text.isdigit()):  # a codec may write integers in another form
            return
        if self._check is None or self._has_own_forms():
            other = self._types.other_type(value, text)
            if other is not None:
                raise ResultSchemaError("the tool returned a JSON {}, and its schema says {}".format(*other))
            return
        mismatch = self._check.mismatch(value, text)
        if mismatch is not None:
            raise ResultSchemaError(f"the result of the tool does not fit its schema: {mismatch}")


def result_schema_of(contract: Contract, schema: Mapping[str, Any] | None) -> ResultSchema | None:
    """Return the check of the results of a tool; None without a schema.

    Args:
        contract: The contract of its method.
        schema: Its schema: that of the author, or that of the hint.
    """
    if not schema:
        return None
    from ...contract.schema_checks import check_of  # it imports pydantic, which other tools do not need

    is_of_author = bool(contract.options.tool.output_schema)
    if not is_of_author and not has_known_forms(contract):
        return ResultSchema(schema, None)
    if is_of_author or contract.result is None or contract.result.is_native:
        return ResultSchema(schema, check_of(schema))
    return ResultSchema(schema, check_of(schema), contract.has_own_forms)
