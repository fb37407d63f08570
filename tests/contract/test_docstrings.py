"""The documentation of methods, read from docstrings in each style and on each kind of callable."""

import dataclasses
import functools
import math
import operator
import subprocess
import sys
import time
import warnings
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.contract.docstrings import Documentation, RaisedError, documentation_of, parse_docstring

GOOGLE = """Return the sum of two
    numbers.

    It is exact.
    Always.

    Args:
        a: The first
            number.
        b (int, optional): The second. Defaults to 3.
        *rest: More: many.
        **named: Others.

    Returns:
        int: The sum.

    Raises:
        ValueError: If odd.
        KeyError, errors.Missing: Never.

    Source: arithmetic.
    """
NUMPY = """Return the sum of two
    numbers.

    It is exact.
    Always.

    Parameters
    ----------
    a : int
        The first
        number.
    b : int, optional
        The second. Defaults to 3.
    *rest : int
        More: many.
    **named
        Others.

    Returns
    -------
    int
        The sum.

    Raises
    ------
    ValueError
        If odd.
    KeyError, errors.Missing
        Never.

    Warns
    -----
    UserWarning
        If slow.
    """
REST = """Return the sum of two
    numbers.

    It is exact.
    Always.

    :param a: The first
        number.
    :param int b: The second. Defaults to 3.
    :type a: int
    :param *rest: More: many.
    :param **named: Others.
    :returns: The sum.
    :rtype: int
    :raises ValueError: If odd.
    :raises KeyError: Never.
    :raises errors.Missing: Never.
    """
EPYDOC = """Return the sum of two
    numbers.

    It is exact.
    Always.

    @param a: The first
        number.
    @type a: int
    @param b: The second. Defaults to 3.
    @param rest: More: many.
    @param named: Others.
    @return: The sum.
    @raise ValueError: If odd.
    @raise KeyError: Never.
    @raise errors.Missing: Never.
    """
SUM = Documentation(
    summary="Return the sum of two numbers.",
    description="It is exact.\nAlways.",
    parameters={
        "a": "The first\nnumber.",
        "b": "The second. Defaults to 3.",
        "rest": "More: many.",
        "named": "Others.",
    },
    returns="The sum.",
    raises=(
        RaisedError("ValueError", "If odd."),
        RaisedError("KeyError", "Never."),
        RaisedError("errors.Missing", "Never."),
    ),
)


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST, EPYDOC], ids=["google", "numpy", "rest", "epydoc"])
def test_each_style_gives_the_same_documentation(text):
    assert parse_docstring(text) == SUM


@pytest.mark.parametrize(
    ("text", "documentation"),
    [
        ("", Documentation()),
        ("  \n ", Documentation()),
        ("Add.", Documentation("Add.")),
        ("Add\n    two.\n\n    Long.\n\n    Longer.", Documentation("Add two.", "Long.\n\nLonger.")),
        ("Add.\n\n    A note: this is text.\n    x: also", Documentation("Add.", "A note: this is text.\nx: also")),
        ("Add.\n\nNote:\n    Kept.", Documentation("Add.", "Note:\n    Kept.")),
        ("Add.\nArgs:\n    a: One.", Documentation("Add.", parameters={"a": "One."})),
        ("Add.\n\nArgs:\n    a:\n        One.", Documentation("Add.", parameters={"a": "One."})),
        ("Add.\n\nKeyword Args:\n    a: One.", Documentation("Add.", parameters={"a": "One."})),
        ("Add.\n\nReturn:\n    One.", Documentation("Add.", returns="One.")),
        ("Add.\n\nReturns:\n    One of: a, b.", Documentation("Add.", returns="One of: a, b.")),
        ("Add.\n\nYields:\n    One.", Documentation("Add.")),
        ("Add.\n\nAttributes:\n    a: One.", Documentation("Add.")),
        ("Add.\n\nReturns\n-------\nThe sum", Documentation("Add.", returns="The sum")),
        ("Add.\n\nReturns\n-------\na : int\n    A.\nb : int\n    B.", Documentation("Add.", returns="A.\nB.")),
        (
            "Add.\n\nParameters\n----------\nx, y : int\n    1",
            Documentation("Add.", parameters={"x": "1", "y": "1"}),
        ),
        ("Add.\n\nParameters\n----------\nx : int", Documentation("Add.", parameters={"x": ""})),
        (
            "Use :class:`~decimal.Decimal`, :py:func:`math.sqrt` or :doc:`the page <page>`.",
            Documentation("Use `Decimal`, `math.sqrt` or `the page`."),
        ),
        (
            "Add.\n\nRaises:\n    :exc:`~errors.Odd`: If odd.",
            Documentation("Add.", raises=(RaisedError("Odd", "If odd."),)),
        ),
        (
            "Add.\n\nRaises:\n    Odd or Even: Yes.",
            Documentation("Add.", raises=(RaisedError("Odd", "Yes."), RaisedError("Even", "Yes."))),
        ),
        ("Add.\n\nRaises\n------\nOdd", Documentation("Add.", raises=(RaisedError("Odd"),))),
    ],
)
def test_parts_of_docstrings(text, documentation):
    assert parse_docstring(text) == documentation


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("Add.\n\n    Text.\n\n    Args:\n        no colon here", "Text.\n\nArgs:\n    no colon here"),
        ("Add.\n\n    Raises:\n        ValueError", "Raises:\n    ValueError"),
        ("Add.\n\nArgs:\n", "Args:"),
        ("Add.\n\n:param: nameless", ":param: nameless"),
    ],
)
def test_docstring_that_cannot_be_parsed_keeps_its_text(text, description):
    assert parse_docstring(text) == Documentation("Add.", description)


@pytest.mark.parametrize(
    ("text", "description"),
    [
        (
            "Add.\n\n.. deprecated:: 1.6.0\n   Use other.\n   Really.\n\nText.",
            "Deprecated since 1.6.0: Use other. Really.\n\nText.",
        ),
        ("Add.\n\n.. deprecated:: 2", "Deprecated since 2."),
        ("Add.\n\n.. deprecated::", "Deprecated."),
        ("Add.\n\nDeprecated: use other.", "Deprecated: use other."),
        ("Add.\n\nDeprecated:\n    Use other.", "Deprecated: Use other."),
        ("Add.\n\n:deprecated: Use other.", "Deprecated: Use other."),
        ("Add.\n\n@deprecated: Use other.", "Deprecated: Use other."),
    ],
)
def test_deprecated_method_keeps_the_reason(text, description):
    assert parse_docstring(text) == Documentation("Add.", description, is_deprecated=True)


def test_word_deprecated_in_a_sentence_deprecates_nothing():
    assert not parse_docstring("Return the deprecated names.\n\nThey are deprecated: all.").is_deprecated


def test_two_styles_in_one_docstring_are_read_by_the_one_that_finds_more():
    text = "Add.\n\nArgs:\n    a: One.\n    b: Two.\n\n:returns: Three."

    assert parse_docstring(text).parameters == {"a": "One.", "b": "Two."}


def documented(a, b=1):
    """Add.

    Args:
        a: One.
    """


def undocumented():
    pass


def forgetful(function):
    @functools.wraps(function, assigned=())
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def outspoken(function):
    @functools.wraps(function, assigned=())
    def wrapper(*args, **kwargs):
        """Cache."""

    return wrapper


class Methods:
    """The class."""

    def method(self):
        """Add."""

    @classmethod
    def of_class(cls):
        """Add."""

    @staticmethod
    def static():
        """Add."""

    bare = undocumented
    partial = functools.partialmethod(method)


class Callable:
    """The class."""

    def __call__(self):
        """Add."""


class CallableClass:
    """Add."""

    def __call__(self):
        pass


class CallableHeir(CallableClass):
    pass


@dataclasses.dataclass
class CallableRecord:
    a: int = 1

    def __call__(self):
        pass


class CallableTuple(NamedTuple):
    a: int = 1

    def __call__(self):
        pass


class DecoratedCall:
    @forgetful
    def __call__(self):
        """Add."""


class CachedCall:
    @functools.cache  # noqa: B019
    def __call__(self):
        """Add."""


class CallOfClass:
    @classmethod
    def __call__(cls):
        """Add."""


class CyclicCall:
    def __call__(self):
        pass

    __call__.__wrapped__ = __call__


def described(function, text):
    function.__doc__ = text
    return function


@pytest.mark.parametrize(
    ("function", "summary"),
    [
        (documented, "Add."),
        (undocumented, ""),
        (lambda: 1, ""),
        (functools.wraps(documented)(lambda: 1), "Add."),
        (forgetful(documented), "Add."),
        (forgetful(forgetful(documented)), "Add."),
        (outspoken(documented), "Cache."),
        (functools.cache(documented), "Add."),
        (functools.partial(documented, 1), "Add."),
        (functools.partial(functools.partial(documented, 1), 2), "Add."),
        (functools.partial(undocumented), ""),
        (described(functools.partial(documented, 1), "Add one."), "Add one."),
        (functools.singledispatch(documented), "Add."),
        (Methods().method, "Add."),
        (Methods().of_class, "Add."),
        (Methods.static, "Add."),
        (Methods().bare, ""),
        (Methods().partial, "Add."),
        (forgetful(Methods().method), "Add."),
        (Callable(), "Add."),
        (CallableClass(), "Add."),
        (CallableHeir(), ""),
        (CallableRecord(), ""),
        (CallableTuple(), ""),
        (DecoratedCall(), "Add."),
        (CachedCall(), "Add."),
        (CallOfClass(), "Add."),
        (CyclicCall(), ""),
        (functools.partial(Callable()), "Add."),
        (described(CallableClass(), "Mine."), "Mine."),
        (Callable, "The class."),
        (CallableRecord, ""),
        (object(), ""),
        (operator.itemgetter(1), ""),
        (described(lambda: 1, 5), ""),
        (math.sqrt, "Return the square root of x."),
        ({}.get, "Return the value for key if key is in the dictionary, else default."),
    ],
)
def test_docstring_of_each_kind_of_callable(function, summary):
    assert documentation_of(function).summary == summary


class Endless:
    def __getattr__(self, name):
        return Endless()

    def __call__(self):
        pass


class Failing:
    @property
    def __doc__(self):
        raise LookupError

    @property
    def __wrapped__(self):
        raise LookupError

    def __call__(self):
        pass


@pytest.mark.parametrize("function", [Endless(), Failing()])
def test_object_that_answers_or_refuses_every_attribute_has_no_documentation(function):
    assert documentation_of(function) == Documentation()


def test_cycle_of_wrappers_ends():
    def function():
        pass

    function.__wrapped__ = function

    assert documentation_of(function) == Documentation()


def test_decorator_for_deprecation_is_read():
    def function():
        """Add."""

    function.__deprecated__ = "use other"

    assert documentation_of(forgetful(function)) == Documentation("Add.", is_deprecated=True)


PIECES = st.sampled_from(
    [
        *("Args:", "Returns:", "Raises:", "Yields:", "Parameters\n----------", "Returns\n-------", "Raises\n------"),
        *(":param x: a", ":raises:", ":returns", "@param a b c: d", "@raise: x", ".. deprecated:: 1", ":`", "`", ":"),
        *("\n", "\n\n", "    ", "\t", "name", "name (int): text", "name : int", "**", "\\*x", ", ", " or ", "\r", "\0"),
    ]
)


@given(st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join))
def test_no_docstring_is_an_error_or_a_warning(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        documentation = parse_docstring(text)

    assert all(isinstance(value, str) for value in documentation.parameters.values())
    assert all(error.type_name for error in documentation.raises)


def test_docstring_without_sections_does_not_import_the_parser():
    code = (
        "import sys; from flaskJSONRPCServer.contract.docstrings import parse_docstring as parse\n"
        "parse('Add.\\n\\nText.'); assert 'docstring_parser' not in sys.modules\n"
        "parse('Add.\\n\\nArgs:\\n    a: One.'); assert 'docstring_parser' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_thousand_docstrings_take_a_fraction_of_a_second():
    texts = [GOOGLE.replace("exact", f"exact {number}") for number in range(1000)]
    started = time.process_time()
    parsed = [parse_docstring(text) for text in texts]

    assert len(parsed) == 1000
    assert time.process_time() - started < 1  # 0.07 s; the limit is for busy machines
