"""Check that the results of tools are what their schemas say: clients check it too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ...contract.method import Contract
from ...contract.tool_schemas import has_known_forms, types_in

if TYPE_CHECKING:
    from ...contract.schema_checks import SchemaCheck

__all__ = ["ResultSchema", "ResultSchemaError", "result_schema_of"]

# The first character of a JSON text; any other begins a number (RFC 8259, section 3).
_KINDS: Final = {"{": "object", "[": "array", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}


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

    __slots__ = ("_check", "_has_own_forms", "_types")

    def __init__(
        self, schema: Mapping[str, Any], check: SchemaCheck | None, has_own_forms: Callable[[], bool] = lambda: False
    ) -> None:
        self._types = types_in(schema)
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
        if self._check is None or self._has_own_forms():
            self._refuse_other_type(value, text)
            return
        mismatch = self._check.mismatch(value, text)
        if mismatch is not None:
            raise ResultSchemaError(f"the result of the tool does not fit its schema: {mismatch}")

    def _refuse_other_type(self, value: Any, text: str) -> None:
        if self._types is None:
            return
        kind = "string" if text is value else kind_of(text)
        if kind not in self._types and not (kind == "integer" and "number" in self._types):
            wanted = " or ".join(map(str, self._types))
            raise ResultSchemaError(f"the tool returned a JSON {kind}, and its schema says {wanted}")


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


def kind_of(text: str) -> str:
    """Return the type of a JSON text, as JSON Schema names it."""
    kind = _KINDS.get(text[0])
    if kind is not None:
        return kind
    return "integer" if text.lstrip("-").isdigit() or float(text).is_integer() else "number"
