"""The contract of one method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from ..errors import RegistrationError
from .checks import ParameterChecks
from .hints import UNHINTED, HintReader
from .options import MethodOptions

if TYPE_CHECKING:
    from .types import HintedType

__all__ = ["Contract", "contract_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """All that the author of a method has written down about it.

    Attributes:
        function: The registered callable, for its docstring.
        parameters: The parameters that a client may pass.
        types: The types of the parameters that have hints, by name.
        result: The type of the result; None without a hint.
        options: The options of the registration, of the function's decorator, and of the server.
        registered: The options of the registration alone, which a newer version of the function inherits.
        checks: Checks the parameters of a call; None if they are not checked.
        has_own_forms: Returns whether the user's ``_fixJSON`` gives values their JSON forms.
    """

    function: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    types: dict[str, HintedType]
    result: HintedType | None
    options: MethodOptions
    registered: MethodOptions
    checks: ParameterChecks | None
    has_own_forms: Callable[[], bool]


def contract_of(
    function: Callable[..., Any],
    parameters: Sequence[Parameter],
    options: MethodOptions,
    registered: MethodOptions,
    has_own_forms: Callable[[], bool],
) -> Contract:
    """Return the contract of a function.

    Args:
        function: The registered callable.
        parameters: Its parameters without the magic one.
        options: The options of its registration, of its decorator, and of the server.
        registered: The options of its registration alone.
        has_own_forms: As in :class:`Contract`.

    Raises:
        RegistrationError: A hint cannot be resolved or used; the message names the parameter. Parameters only with
            ``validate``, and the result only with ``validate_result``.
    """
    strict = bool(options.validate)
    reader = HintReader(function)
    hints = reader.of_parameters(parameters, strict=strict)
    types = {name: hinted_type(hint, f"parameter {name!r} of {function!r}", strict) for name, hint in hints.items()}
    usable = {name: hinted for name, hinted in types.items() if hinted is not None}
    # A result need not be of a type that pydantic knows: the user's own JSON backend may write it.
    is_checked = bool(options.validate_result)
    hint = reader.of_result(strict=is_checked)
    result = None if hint is UNHINTED else hinted_type(hint, f"the result of {function!r}", is_checked)
    checks = ParameterChecks(parameters, usable) if usable and strict else None
    return Contract(function, tuple(parameters), usable, result, options, registered, checks, has_own_forms)


def hinted_type(hint: Any, what: str, is_checked: bool) -> HintedType | None:
    """Return the type of a hint; None if it is unusable and need not be used, because no value is checked."""
    from .types import HintedType  # it imports pydantic, which functions without hints do not need

    try:
        return HintedType(hint, what, is_checked=is_checked)
    except RegistrationError:
        if is_checked:
            raise
        return None
