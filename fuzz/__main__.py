"""Run a target: ``python -m fuzz connection --seconds 60``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

_HELP = "atheris is not installed: pip install atheris (there are wheels for CPython 3.11 to 3.13 on Linux and macOS)"


def main() -> None:
    """Fuzz one target for a time; what fails is left in the current folder, as ``crash-...``."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=("connection", "body", "head"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--input", type=Path, help="run one file only, such as a crash that was left")
    options = parser.parse_args()
    if options.input is not None:
        run_one(options.target, options.input)
    else:
        fuzz(options.target, options.seconds)


def run_one(name: str, path: Path) -> None:
    """Run a target with the bytes of one file."""
    from .targets import TARGETS

    TARGETS[name](path.read_bytes())


def fuzz(name: str, seconds: int) -> None:
    """Run a target for a time, with inputs that reach further and further."""
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
        limits = [f"-max_total_time={seconds}", "-max_len=2000", "-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], str(corpus), f"-dict={dictionary}", *limits], TARGETS[name])
        atheris.Fuzz()


def dictionary_line(word: bytes) -> str:
    r"""Return an entry of a dictionary of libFuzzer.

    >>> dictionary_line(b"a")
    '"\\x61"\n'
    """
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


if __name__ == "__main__":
    main()
