"""The fuzz targets without the fuzzers: they accept their seeds, and any bytes."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.__main__ import dictionary_line
from fuzz.running import NAMES, Outcome, outcome_of, run_command
from fuzz.targets import SEEDS, TARGETS, WORDS

ROOT = Path(__file__).resolve().parents[2]


def test_every_target_has_seeds_and_a_name_for_the_command_line():
    assert SEEDS.keys() == TARGETS.keys() == set(NAMES)


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name, seeds in SEEDS.items() for seed in seeds])
def test_target_accepts_its_seeds_and_all_prefixes(name, seed):
    for end in range(len(seed) + 1):
        TARGETS[name](seed[:end])


@pytest.mark.parametrize("name", TARGETS)
def test_target_accepts_any_bytes(name):
    seeds = st.sampled_from(SEEDS[name])
    pieces = st.lists(st.binary(max_size=20) | st.sampled_from(WORDS) | seeds).map(b"".join)

    given(pieces)(TARGETS[name])()


@pytest.mark.parametrize(
    ("name", "attribute", "stand_in"),
    [
        ("connection", "parse", len),
        ("body", "decode_to_text", lambda data, codec: repr(codec)),
    ],
)
def test_target_reports_a_difference(monkeypatch, name, attribute, stand_in):
    monkeypatch.setattr(f"fuzz.targets.{attribute}", stand_in)
    with pytest.raises(AssertionError, match=r"is .*else|the same"):
        TARGETS[name](b"\x00abc")


def test_word_is_written_as_libfuzzer_reads_it():
    assert dictionary_line(b'a"\r') == '"\\x61\\x22\\x0d"\n'


@pytest.mark.parametrize(
    ("output", "status", "runs", "fault"),
    [
        ("#2 INITED\n#1234\tDONE cov: 1\nDone 1234 runs in 3 second(s)\n", 0, 1234, ""),
        ("Done 5 runs\n", 0, 5, ""),
        ("Traceback\nAssertionError: differs", 77, 0, "AssertionError: differs"),
        ("nothing", 0, 0, "it has run nothing"),
    ],
)
def test_outcome_is_read_from_the_output(output, status, runs, fault):
    outcome = outcome_of("body", output, status)

    assert (outcome.name, outcome.runs) == ("body", runs)
    assert outcome.fault.endswith(fault)
    assert bool(outcome.fault) is bool(fault)


def test_fault_of_a_fuzzer_is_the_end_of_its_output():
    code = "import sys; print('Done 7 runs'); sys.exit('found')"

    assert run_command("a", ["-c", "print('Done 7 runs')"], 10) == Outcome("a", 7, "")
    assert run_command("a", ["-c", code], 10) == Outcome("a", 7, "Done 7 runs\nfound")


def test_file_of_a_target_is_run_again(tmp_path):
    """A crash is run again with the name of its target, since inputs of different targets differ."""
    path = tmp_path / "crash-1"
    path.write_bytes(SEEDS["body"][0])
    command = [sys.executable, "-m", "fuzz", "--input", str(path)]

    assert subprocess.run([*command, "body"], cwd=ROOT, capture_output=True, check=False).returncode == 0
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--input needs the name of the target that it is for" in done.stderr
