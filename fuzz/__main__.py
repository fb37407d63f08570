"""Run a target, ``python -m fuzz connection --seconds 60``, or all of them, ``python -m fuzz``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .running import NAMES, run_target

_HELP = "atheris is not installed: pip install atheris (there are wheels for CPython 3.11 to 3.14 on Linux, x86_64)"

# After how many seconds one input counts as a hang. Less would count a virtual machine that is paused.
_HANG_S = 60


def main() -> None:
    """Fuzz one target, or all, for some time each.

    Failing inputs are saved as ``crash-...``: in the current folder for one target, in :data:`~fuzz.running.CRASHES`
    for all.
    """
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=NAMES, nargs="?", help="default: all, one after another")
    parser.add_argument("--seconds", type=int, default=60, help="time for each target (default: 60)")
    parser.add_argument("--input", type=Path, help="run one file only, such as a saved crash")
    options = parser.parse_args()
    if options.target is None:
        if options.input is not None:
            parser.error("--input needs the name of the target that it is for")
        sys.exit(fuzz_all(options.seconds))
    if options.input is not None:
        run_one(options.target, options.input)
    else:
        fuzz(options.target, options.seconds)


def fuzz_all(seconds: int) -> int:
    """Run all targets, and print a line for each. Return how many have found a fault or did not run."""
    faults = 0
    for name in NAMES:
        outcome = run_target(name, seconds)
        faults += bool(outcome.fault)
        print(f"{name:12} {outcome.runs:>12,} runs in {seconds} s  {outcome.fault or 'nothing found'}", flush=True)
    return faults


def run_one(name: str, path: Path) -> None:
    """Run a target with the bytes of one file."""
    from .targets import TARGETS

    TARGETS[name](path.read_bytes())


def fuzz(name: str, seconds: int) -> None:
    """Run a target for some time, guided by coverage."""
    try:
        import atheris
    except ImportError:
        sys.exit(_HELP)
    with atheris.instrument_imports(include=["flaskJSONRPCServer"]):
        from .targets import SEEDS, TARGETS, WORDS
    with tempfile.TemporaryDirectory() as folder:
        corpus, dictionary = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, seed in enumerate(SEEDS[name]):
            Path(corpus, str(number)).write_bytes(seed)
        dictionary.write_text("".join(map(dictionary_line, WORDS)), encoding="ascii")
        limits = [f"-max_total_time={seconds}", "-max_len=2000", f"-timeout={_HANG_S}", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], str(corpus), f"-dict={dictionary}", *limits], TARGETS[name])
        atheris.Fuzz()


def dictionary_line(word: bytes) -> str:
    r"""Return an entry of a libFuzzer dictionary.

    >>> dictionary_line(b"a")
    '"\\x61"\n'
    """
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


if __name__ == "__main__":
    main()
