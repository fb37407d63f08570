"""How long imports take, each in processes of its own that take turns."""

import statistics
import subprocess
import sys

from .environments import ROOT
from .serving import Pins

FLASK = "import flask"
OURS_WHOLE = "from flaskJSONRPCServer import flaskJSONRPCServer"
SANSIO = "import flaskJSONRPCServer.sansio_jsonrpc"

_TIMED = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def measure(rounds: int, pins: Pins) -> dict[str, float]:
    """Return the median duration of each import, in milliseconds."""
    samples: dict[str, list[float]] = {statement: [] for statement in (FLASK, OURS_WHOLE, SANSIO)}
    for _ in range(rounds):
        for statement, taken in samples.items():
            taken.append(import_ms(statement, pins))
    return {statement: statistics.median(taken) for statement, taken in samples.items()}


def import_ms(statement: str, pins: Pins) -> float:
    command = [*pins.server, sys.executable, "-c", _TIMED.format(statement)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout) * 1000
