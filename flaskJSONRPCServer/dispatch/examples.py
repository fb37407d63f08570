"""The check of the examples that methods were registered with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ..contract.integers import with_all_integers
from ..contract.options import Example
from ..errors import ExampleError
from ..sansio_jsonrpc import Codec, JsonRpcException
from .execution import Execution
from .routes import Route

__all__ = ["check_examples"]


def check_examples(routes: Iterable[Route], execution: Execution, codec: Codec) -> int:
    """Call the methods with their examples, and compare the results.

    Args:
        routes: The routes of the server.
        execution: Makes the calls.
        codec: Writes the results, which are compared as JSON.

    Returns:
        The number of examples.

    Raises:
        ExampleError: Some results differ, or some calls fail. The message lists all of them.
    """
    examples = [(route, example) for route in routes for example in examples_of(route)]
    faults = [fault for route, example in examples if (fault := fault_of(route, example, execution, codec))]
    if faults:
        raise ExampleError(f"{len(faults)} of {len(examples)} examples fail:\n" + "\n".join(faults))
    return len(examples)


def examples_of(route: Route) -> Iterator[Example]:
    if route.contract is not None:
        yield from route.contract.options.examples or ()


def fault_of(route: Route, example: Example, execution: Execution, codec: Codec) -> str | None:
    """Return the reason why an example fails; None if it does not."""
    what = f"{route.url} {example.name!r} {json.dumps(example.params)}"
    data = {"method": route.name, "params": example.params, "id": 1}
    status, _, result = execution.call(
        "example", route.path, data, {}, is_jsonp=False, native_thread=None, overload=None
    )
    if not status:
        return f"{what} fails: {result.code} {result.message}"
    actual, expected = as_json(result, codec), as_json(example.result, codec)
    is_notification = bool(route.contract and route.contract.options.notification)
    return None if is_notification or actual == expected else f"{what} gives {actual}, not {expected}"


def as_json(value: Any, codec: Codec) -> str:
    """Return a value as JSON in one form, so that equal values give equal texts."""
    try:
        return json.dumps(with_all_integers(json.loads(codec.dumps(value))), sort_keys=True)
    except JsonRpcException:  # no JSON, so the call would have failed
        return repr(value)
