"""One table of exact results for every codec."""

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import JsonLimits, JsonRpcParseError, JsonRpcSerializationError, make_codec

Point = collections.namedtuple("Point", "x y")


class Number(enum.IntEnum):
    ONE = 1


class Word(str, enum.Enum):
    HELLO = "hello"


class LoudFloat(float):
    def __repr__(self):
        return "loud"


@dataclasses.dataclass
class Record:
    x: int = 1


READ = [
    (b"null", None),
    (b" \t\r\n[1, 2]\r\n", [1, 2]),
    (b'{"a":1,"b":2,"a":3}', {"a": 3, "b": 2}),
    (b"-0", 0),
    (b"-0.0", -0.0),
    (b"1e2", 100.0),
    (b"1.7976931348623157e308", 1.7976931348623157e308),
    (b"5e-324", 5e-324),
    (b"0.1e-400", 0.0),
    (b"9223372036854775807", 2**63 - 1),
    (b"18446744073709551615", 2**64 - 1),
    (b"18446744073709551616", 2**64),
    (b"-9223372036854775809", -(2**63) - 1),
    (b"[" + b"7" * 4300 + b"]", [int("7" * 4300)]),
    (b"[-" + b"7" * 4300 + b"]", [-int("7" * 4300)]),
    (b'"' + b"7" * 5000 + b'"', "7" * 5000),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b'"\\u00e9\\u0000"', "\xe9\0"),
    (b'"\\\\ud800"', "\\ud800"),
    ('"é😀"'.encode(), "é😀"),
    (b'"\xef\xbf\xbf"', "\uffff"),
    (b"[" * 100 + b"]" * 100, None),
    (b'["' + b"[" * 500 + b'"]', ["[" * 500]),
    (b'["\\"' + b"[" * 500 + b'"]', ['"' + "[" * 500]),
    (b"[" + b"[]," * 500 + b"[]]", [[]] * 501),
]

PLAIN = "Parse error"
NOT_FINITE = "Parse error: a number is not finite"
LONE = "Parse error: lone surrogate"
UTF16 = "Parse error: UTF-16 or UTF-32; send UTF-8"
DEEP = "Parse error: nested deeper than 100"
LONG = "Parse error: an integer of more than 4300 digits"

REFUSED = [
    (b"", PLAIN),
    (b"   ", PLAIN),
    (b"[1,]", PLAIN),
    (b"[1", PLAIN),
    (b"1 2", PLAIN),
    (b"01", PLAIN),
    (b"1.", PLAIN),
    (b"'a'", PLAIN),
    (b'{"a":1,}', PLAIN),
    (b'{1:"a"}', PLAIN),
    (b'"\x01"', PLAIN),
    (b'"\\x"', PLAIN),
    (b'"\\u12"', PLAIN),
    (b"[1]//", PLAIN),
    (b"\xc2\xa01", PLAIN),
    (b"12345\0junk", PLAIN),
    (b"NaN", NOT_FINITE),
    (b"[Infinity]", NOT_FINITE),
    (b'{"a":-Infinity}', NOT_FINITE),
    (b"1e400", NOT_FINITE),
    (b"[-1E+0400]", NOT_FINITE),
    (b"1.8e308", NOT_FINITE),
    (b"[-99999.5E304]", NOT_FINITE),
    (b"1" * 400 + b".5", NOT_FINITE),
    (b"1" * 250 + b"e99", NOT_FINITE),
    (b'"\\ud800"', LONE),
    (b'"\\udc00"', LONE),
    (b'"\\uDFff\\uD800"', LONE),
    (b'"\\ud83d\\\\\\ude00"', LONE),
    (b'{"\\ud83d\\ud83d\\ude00":1}', LONE),
    (b"\xef\xbb\xbf[]", "Parse error: byte order mark"),
    ("[]".encode("utf-16"), UTF16),
    ("[]".encode("utf-16-le"), UTF16),
    ("[]".encode("utf-16-be"), UTF16),
    ("[]".encode("utf-32"), UTF16),
    (b'"\xff"', "Parse error: not UTF-8"),
    (b'"\xed\xa0\x80"', "Parse error: not UTF-8"),
    (b'"\xc0\xaf"', "Parse error: not UTF-8"),
    (b"[" * 101 + b"]" * 101, DEEP),
    (b'{"a":' * 101 + b"1" + b"}" * 101, DEEP),
    (b"[" * 1_000_000, DEEP),
    (b'["\\\\",' * 101 + b"1" + b"]" * 101, DEEP),
    (b"[" + b"7" * 4301 + b"]", LONG),
    (b"-" + b"7" * 4301, LONG),
]

WRITTEN = [
    (None, b"null"),
    ([None, True, False], b"[null,true,false]"),
    ({"a": 1, "b": [1.5]}, b'{"a":1,"b":[1.5]}'),
    ((1, (2,)), b"[1,[2]]"),
    (Point(1, 2), b"[1,2]"),
    ([Number.ONE, Word.HELLO], b'[1,"hello"]'),
    (LoudFloat(2.5), b"2.5"),
    (collections.OrderedDict(a=1), b'{"a":1}'),
    ({1: 1, 1.5: 2}, b'{"1":1,"1.5":2}'),
    ({True: 1}, b'{"true":1}'),
    ({None: 1, False: 2}, b'{"null":1,"false":2}'),
    ({Number.ONE: 1}, b'{"1":1}'),
    (2**64, b"18446744073709551616"),
    (-(2**100), b"-1267650600228229401496703205376"),
    (int("7" * 4300), b"7" * 4300),
    ("\xe9\U0001f600</", '"\xe9\U0001f600</"'.encode()),
    ('\x00"\\\n', b'"\\u0000\\"\\\\\\n"'),
    ("NaN", b'"NaN"'),
    ("null", b'"null"'),
    ({"a": "null", "b": None}, b'{"a":"null","b":null}'),
]


def endless():
    circle = []
    circle.append(circle)
    return circle


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


UNWRITABLE = [
    math.nan,
    [math.inf],
    {"a": -math.inf},
    LoudFloat("nan"),
    "\ud800",
    {"\udc00": 1},
    b"bytes",
    bytearray(b"bytes"),
    {1, 2},
    range(3),
    iter([1]),
    decimal.Decimal("1.5"),
    datetime.date(2020, 1, 1),
    datetime.datetime(2020, 1, 1),
    Record(),
    object(),
    collections.ChainMap({"a": 1}),
    {(1,): 1},
    {b"a": 1},
    {uuid.UUID(int=1): 1},
    10**5000,
    endless(),
    nested(100_000),
]


@pytest.mark.parametrize(("text", "value"), READ, ids=lambda case: repr(case)[:40])
def test_reads(codec, text, value):
    read = codec.loads(text)
    assert value is None or (read == value and type(read) is type(value))
    assert math.copysign(1, read) == math.copysign(1, value) if type(value) is float else True


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=lambda case: repr(case)[:40])
def test_refuses_to_read(codec, text, message):
    with pytest.raises(JsonRpcParseError) as refused:
        codec.loads(text)
    assert refused.value.message == message


@pytest.mark.parametrize(("value", "text"), WRITTEN, ids=lambda case: repr(case)[:40])
def test_writes(codec, value, text):
    assert codec.dumps(value) == text


@pytest.mark.parametrize("value", UNWRITABLE, ids=lambda case: type(case).__name__)
def test_refuses_to_write(codec, value):
    with pytest.raises(JsonRpcSerializationError) as refused:
        codec.dumps(value)
    assert refused.value.__cause__ is not None
    assert refused.value.message == "Internal error: the value cannot be written as JSON"


@pytest.mark.parametrize("name", ["json", "simplejson", "orjson", "msgspec", "rapidjson"])
def test_prepared_codecs_refuse_nan_as_a_key(name):
    with pytest.raises(JsonRpcSerializationError):
        make_codec(name).dumps({math.nan: 1})


def convert(value):
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, enum.Enum):
        return value.value
    return str(value)


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({3, 1, 2}, b"[1,2,3]"),
        ([decimal.Decimal("1.50")], b'["1.50"]'),
        (datetime.date(2020, 1, 2), b'"2020-01-02"'),
        ({"id": uuid.UUID(int=1)}, b'{"id":"00000000-0000-0000-0000-000000000001"}'),
        (Colour.RED, b'"red"'),
        (b"raw", b"\"b'raw'\""),
        (Point(1, {2}), b"[1,[2]]"),
        (collections.OrderedDict(a={1}), b'{"a":[1]}'),
        (LoudFloat(2.5), b"2.5"),
        (
            [Colour.RED, uuid.UUID(int=1), None, 2**70],
            b'["red","00000000-0000-0000-0000-000000000001",null,%d]' % 2**70,
        ),
        ([frozenset({1}), None, 2**70], b"[[1],null,%d]" % 2**70),
    ],
    ids=lambda case: repr(case)[:40],
)
def test_default_converts_types_that_json_lacks(make, value, text):
    assert make(default=convert).dumps(value) == text


def test_exception_of_default_is_the_cause(make):
    failure = LookupError("no such thing")

    def fail(value):
        raise failure

    with pytest.raises(JsonRpcSerializationError) as refused:
        make(default=fail).dumps([object()])
    assert refused.value.__cause__ is failure


@pytest.mark.parametrize("result", [math.nan, "\ud800", object()], ids=["nan", "surrogate", "itself"])
def test_result_of_default_is_checked(make, result):
    with pytest.raises(JsonRpcSerializationError):
        make(default=lambda value: result).dumps({1})


def test_limits_can_be_chosen(make):
    codec = make(limits=JsonLimits(max_depth=2, max_integer_digits=3))
    assert codec.loads(b"[[999],[-999]]") == [[999], [-999]]
    with pytest.raises(JsonRpcParseError, match=r"^Parse error: nested deeper than 2$"):
        codec.loads(b"[[[]]]")
    with pytest.raises(JsonRpcParseError, match=r"^Parse error: an integer of more than 3 digits$"):
        codec.loads(b"[1000]")


@pytest.mark.parametrize("opening", ['{"":', '{"":[', '{ "name": '], ids=["short", "mixed", "long"])
def test_objects_nest_up_to_the_bound(make, opening):
    codec = make(limits=JsonLimits(max_depth=12))
    levels = 12 // (opening.count("{") + opening.count("["))
    closing = "]}" if "[" in opening else "}"
    assert codec.loads(f"{opening * levels}1{closing * levels}".encode())
    for text in (f"{opening * (levels + 1)}1{closing * (levels + 1)}", "{" * 13, opening * (levels + 1)):
        with pytest.raises(JsonRpcParseError, match=r"^Parse error: nested deeper than 12$"):
            codec.loads(text.encode())


def test_threads_can_share_a_codec(codec):
    value = [{"number": number, "text": "x" * number, "fraction": number / 7} for number in range(50)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: codec.loads(codec.dumps(value)), range(100)))
    assert all(answer == value for answer in answers)
