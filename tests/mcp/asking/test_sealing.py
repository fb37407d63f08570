"""Sealed state opens unchanged, for its purpose, its owner and its time, and nothing else opens."""

import base64
import json
import random
import string
import subprocess
import sys
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from flaskJSONRPCServer.mcp.asking.sealing import LONGEST_TEXT, Sealer, StateError, expanded, extracted
from tests.helpers import Clock

SECRET = bytes(range(32))
PAYLOAD = {"step": 2, "text": "Grüße 🎉", "list": [1.5, None, {"a": True}]}
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.fixture
def clock():
    return Clock(1_800_000_000.0)


@pytest.fixture
def sealer(clock):
    return Sealer(SECRET, clock)


def seal(sealer, payload=PAYLOAD, **options):
    return sealer.seal(payload, **{"purpose": "tool", "bound_to": ["alice", b"\x01"], "ttl_s": 60, **options})


def open_(sealer, text, **options):
    return sealer.open(text, **{"purpose": "tool", "bound_to": ["alice", b"\x01"], **options})


def refused(sealer, text, **options):
    """Return why a text is refused."""
    with pytest.raises(StateError) as caught:
        open_(sealer, text, **options)
    return caught.value.reason


def test_state_opens_unchanged_and_any_number_of_times(sealer):
    text = seal(sealer)

    assert [open_(sealer, text), open_(sealer, text)] == [PAYLOAD, PAYLOAD]
    assert set(text) <= set(ALPHABET)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30)
@given(
    payload=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    purpose=st.text(st.characters(codec="utf-8"), max_size=9),
    bound_to=st.lists(st.text(max_size=5) | st.binary(max_size=5), max_size=3),
)
def test_any_json_object_opens_unchanged(payload, purpose, bound_to):
    sealer = Sealer(SECRET, lambda: 0.0)
    text = sealer.seal(payload, purpose=purpose, bound_to=bound_to, ttl_s=1)

    assert sealer.open(text, purpose=purpose, bound_to=bound_to) == payload


def test_another_process_with_the_secret_opens_it():
    script = (
        "from flaskJSONRPCServer.mcp.asking.sealing import Sealer\n"
        f"print(Sealer.of({'s' * 40!r}).seal({{'a': 1}}, purpose='tool', bound_to=['alice'], ttl_s=600))"
    )
    text = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.strip()

    assert Sealer.of(b"s" * 40).open(text, purpose="tool", bound_to=["alice"]) == {"a": 1}


def test_state_expires(sealer, clock):
    text = seal(sealer, ttl_s=60)
    clock.now += 59.998
    assert open_(sealer, text) == PAYLOAD
    clock.now += 0.002
    assert refused(sealer, text) == "expired"


@pytest.mark.parametrize(
    "bound_to",
    [["alice"], [], [b"alice", b"\x01"], ["alice", "\x01"], [b"\x01", "alice"], ["alic", b"e\x01"], ["alice\x01"]],
)
def test_state_of_another_owner_is_refused(sealer, bound_to):
    assert refused(sealer, seal(sealer), bound_to=bound_to) == "foreign"


def test_expired_state_of_another_owner_is_foreign(sealer, clock):
    text = seal(sealer)
    clock.now += 100

    assert refused(sealer, text, bound_to=["bob"]) == "foreign"


def test_state_of_another_purpose_or_secret_is_refused(sealer, clock):
    text = seal(sealer)

    assert refused(sealer, text, purpose="task") == "altered"
    assert refused(Sealer(SECRET[::-1], clock), text) == "altered"
    assert refused(Sealer.of(None, clock), text) == "altered"


def test_random_secrets_differ():
    first, second = Sealer.of(None), Sealer.of(None)

    assert refused(second, seal(first)) == "altered"
    assert open_(first, seal(first)) == PAYLOAD


def mutations_of(text, random):
    """Yield texts without end that differ from a text."""
    other = "".join(random.choices(ALPHABET, k=len(text)))
    while True:
        place, size = random.randrange(len(text)), random.randrange(1, 9)
        yield random.choice(
            [
                text[:place] + random.choice(ALPHABET + "=+/. \n\0é") + text[place + 1 :],
                text[:place] + text[place + size :],
                text[:place] + "".join(random.choices(ALPHABET, k=size)) + text[place:],
                text[:place] + text[place : place + size] + text[place:],
                text[:place] + other[place:],
                flipped(text, random),
                text[place:] + text[:place],
                text + random.choice(["=", "==", "A", "\n", " ", text]),
            ]
        )


def flipped(text, random):
    """Return a text with one bit of its bytes flipped."""
    sealed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    sealed[random.randrange(len(sealed))] ^= 1 << random.randrange(8)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


@pytest.mark.parametrize("length", [0, 1, 2])
def test_no_altered_text_opens(sealer, length):
    """The lengths differ by one byte, so that the last character has 6, 4 and 2 bits that count."""
    text = seal(sealer, {"a": "x" * length})
    mutations = mutations_of(text, random.Random(length))
    distinct = set()
    while len(distinct) < 4000:
        distinct.add(next(mutations))
    distinct.discard(text)

    assert len(distinct) >= 3999
    assert {refused(sealer, altered) for altered in distinct} == {"altered"}


def test_every_other_character_and_every_bit_counts(sealer):
    text = seal(sealer, {})

    for place, character in enumerate(text):
        others = [text[:place] + other + text[place + 1 :] for other in ALPHABET if other != character]
        assert {refused(sealer, other) for other in others} == {"altered"}


@pytest.mark.parametrize(
    "text", ["", "AA", "A", "=" * 80, "é" * 80, "\ud800" * 80, "A" * 76, "A" * 1000, None, b"AQ", 5]
)
def test_text_that_is_no_state_is_refused(sealer, text):
    assert refused(sealer, text) == "altered"


def test_long_text_is_refused_before_anything_is_computed(sealer, monkeypatch):
    longest = seal(sealer, {"a": "x" * (LONGEST_TEXT * 3 // 4 - 66)})
    computed = []
    decode = base64.urlsafe_b64decode
    monkeypatch.setattr(base64, "urlsafe_b64decode", lambda text: computed.append(len(text)) or decode(text))

    assert LONGEST_TEXT - 4 <= len(longest) <= LONGEST_TEXT
    assert open_(sealer, longest)["a"][:1] == "x"
    assert len(computed) == 1
    assert refused(sealer, longest + "A" * 5) == "altered"
    assert len(computed) == 1


def test_state_that_would_not_be_accepted_back_is_not_sealed(sealer):
    with pytest.raises(ValueError, match="the sealed state has 66754 characters, at most 65536 are accepted back"):
        seal(sealer, {"a": "x" * 50_000})


@pytest.mark.parametrize("payload", [{"a": {1}}, {"a": float("nan")}, {"a": b"b"}])
def test_payload_without_a_json_form_is_refused(sealer, payload):
    with pytest.raises((TypeError, ValueError)):
        seal(sealer, payload)


@pytest.mark.parametrize("ttl_s", [0, -1, float("inf"), float("nan")])
def test_time_that_is_none_is_refused(sealer, ttl_s):
    with pytest.raises(ValueError, match="it takes a number of seconds above 0"):
        seal(sealer, ttl_s=ttl_s)


def test_time_may_be_very_long(sealer):
    assert open_(sealer, seal(sealer, ttl_s=1e300)) == PAYLOAD


@pytest.mark.parametrize("secret", [b"", b"s" * 31])
def test_short_secret_is_refused(secret):
    with pytest.raises(ValueError, match=rf"^the secret has {len(secret)} bytes; it takes at least 32$"):
        Sealer(secret)
    with pytest.raises(ValueError, match="it takes at least 32"):
        Sealer.of(secret.decode())


@pytest.mark.parametrize("reason", ["altered", "expired", "foreign"])
def test_error_says_what_to_do_and_repeats_nothing(reason):
    text = seal(Sealer(SECRET))

    with pytest.raises(StateError, match="begin again without it") as caught:
        raise StateError(reason)
    assert caught.value.reason == reason
    with pytest.raises(StateError) as altered:
        open_(Sealer(SECRET), text + "A")
    assert text[:8] not in str(altered.value)
    assert altered.value.__cause__ is None


def test_payload_is_readable_and_the_secret_is_not_there(sealer):
    sealed = base64.urlsafe_b64decode(seal(sealer) + "===")

    assert json.dumps(PAYLOAD, separators=(",", ":")).encode() in sealed
    assert SECRET[:8] not in sealed
    assert "x00" not in repr(sealer)


def test_keys_are_those_of_rfc_5869():
    """Appendix A.1, whose first 32 of 42 bytes are the first block."""
    key = extracted(bytes(range(13)), b"\x0b" * 22)

    assert key.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    assert expanded(key, bytes(range(0xF0, 0xFA))).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    )


def test_real_clock_is_used_by_default():
    text = Sealer(SECRET).seal({}, purpose="tool", ttl_s=600)

    assert Sealer(SECRET, lambda: time.time() + 590).open(text, purpose="tool") == {}
    assert refused(Sealer(SECRET, lambda: time.time() + 601), text, bound_to=[]) == "expired"
