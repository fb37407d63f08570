"""The comparison of two versions of a function is never wrong: calls that the older one takes show it."""

import itertools
from inspect import Parameter, Signature

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.contract.diff import Verdict, compare
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError

pytestmark = pytest.mark.timeout(900)  # for --hypothesis-profile=thorough

KINDS = [Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY]
HINTS = st.sampled_from([Parameter.empty, int, str])
VALUES = [1, "a"]
LISTS = [list(values) for count in range(4) for values in itertools.product(VALUES, repeat=count)]
DICTS = [
    {name: value for name, value in zip("abc", values, strict=True) if value is not None}
    for values in itertools.product([None, *VALUES], repeat=3)
]


@st.composite
def parameters(draw):
    """Return the parameters of a function, in an order that Python takes."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=2))
    names = draw(st.permutations(["a", "b"]))
    listed, has_default = [], False
    for name, kind in zip(names, sorted(kinds), strict=False):
        stays = has_default and kind is not Parameter.KEYWORD_ONLY  # Python wants defaults after the first one
        has_default = stays or draw(st.booleans())
        default = None if has_default else Parameter.empty
        listed.append(Parameter(name, kind, default=default, annotation=draw(HINTS)))
    if draw(st.booleans()):
        listed.append(Parameter("args", Parameter.VAR_POSITIONAL, annotation=draw(HINTS)))
    if draw(st.booleans()):
        listed.append(Parameter("kwargs", Parameter.VAR_KEYWORD, annotation=draw(HINTS)))
    required = {parameter.kind for parameter in listed if parameter.default is Parameter.empty}
    assume(not {Parameter.POSITIONAL_ONLY, Parameter.KEYWORD_ONLY} <= required)  # no call can pass both
    return sorted(listed, key=lambda parameter: parameter.kind)


def server_of(listed, **options):
    def function(*args, **kwargs): ...

    function.__signature__ = Signature(listed)
    function.__annotations__ = {p.name: p.annotation for p in listed if p.annotation is not Parameter.empty}
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(function, path="/api", name="f", **options)
    return server


def takes(server, params):
    """Return whether the parameters fit the function, and are of its types."""
    try:
        server._engine.router.table.find("/api/", "f").plan.bind(params)
    except JsonRpcInvalidParamsError:
        return False
    return True


@settings(max_examples=max(200, settings.default.max_examples))
@given(parameters(), parameters(), st.booleans())
def test_calls_of_the_old_function_fail_only_if_the_change_is_breaking(old, new, validate):
    first, second = server_of(old, validate=validate), server_of(new)
    comparison = compare(first.openrpc(), second.openrpc())
    lost = [params for params in (*LISTS, *DICTS) if takes(first, params) and not takes(second, params)]

    assert not lost or comparison.verdict is Verdict.BREAKING
    assert compare(first.openrpc(), first.openrpc()).verdict is Verdict.EQUAL


SAME_CALLS = [
    ("a", "a, *, b=1"),
    ("a", "a, **kwargs"),
    ("a", "a, *args"),
    ("a", "a, *args, b=1, **kwargs"),
    ("a, b=1", "a, *args, **kwargs"),
    ("a, /", "a"),
    ("a, /", "b, /"),
    ("*args", "*others"),
    ("*, a, b=1", "*, b=1, a=2"),
    ("a, *, b", "a, *, b=1"),
    ("a=1, /, *, b=2", "a=1, b=2"),
]
LOST_CALLS = [
    ("*args, b=1", "*args"),
    ("*args, **kwargs", "*args"),
    ("*args, b: float", "*args, b: int"),
    ("*args, **kwargs: float", "*args, **kwargs: int"),
    ("a, b=1", "a, *, b=1"),
    ("a, b=1", "a, *args"),
    ("a, b=1", "a, **kwargs"),
    ("a=1", "a=1, /"),
    ("a=1", "*, a=1"),
    ("**kwargs", "*, b: int = 1, **kwargs"),
    ("*args", "b: int = 1, *args"),
]


@pytest.mark.parametrize(
    ("old", "new", "is_breaking"),
    [(*pair, False) for pair in SAME_CALLS] + [(*pair, True) for pair in LOST_CALLS],
)
def test_versions_of_a_function(old, new, is_breaking):
    first, second = (function_server(f"def f({signature}): ...") for signature in (old, new))

    assert (compare(first.openrpc(), second.openrpc()).verdict is Verdict.BREAKING) is is_breaking


def function_server(text):
    namespace = {}
    exec(text, namespace)
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(namespace["f"], path="/api")
    return server
