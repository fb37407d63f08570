"""The targets of the fuzzers, without the fuzzers: each takes what it begins with, and any bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.__main__ import dictionary_line
from fuzz.targets import SEEDS, TARGETS, WORDS


def test_every_target_has_seeds():
    assert SEEDS.keys() == TARGETS.keys()


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, seeds in SEEDS.items() for seed in seeds])
def test_target_takes_its_seeds_and_every_beginning_of_them(name, seed):
    for end in range(len(seed) + 1):
        TARGETS[name](seed[:end])


@pytest.mark.parametrize("name", TARGETS)
def test_target_takes_any_bytes(name):
    seeds = st.sampled_from(SEEDS[name])
    pieces = st.lists(st.binary(max_size=20) | st.sampled_from(WORDS) | seeds).map(b"".join)

    given(pieces)(TARGETS[name])()


@pytest.mark.parametrize(
    ("name", "attribute", "stand_in"),
    [
        ("connection", "parsed", len),
        ("body", "decoded", lambda data, codec: repr(codec)),
    ],
)
def test_target_tells_a_difference(monkeypatch, name, attribute, stand_in):
    monkeypatch.setattr(f"fuzz.targets.{attribute}", stand_in)
    with pytest.raises(AssertionError, match=r"is .*else|the same"):
        TARGETS[name](b"\x00abc")


def test_word_is_written_as_libfuzzer_reads_it():
    assert dictionary_line(b'a"\r') == '"\\x61\\x22\\x0d"\n'
