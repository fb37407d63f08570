"""How long imports take, each in processes of its own that take turns.

They find bytecode, as pip makes it when it installs a package: without it, compiling the sources takes the most time.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from .environments import ROOT
from .serving import Pins

FLASK = "import flask"
OURS_WHOLE = "from flaskJSONRPCServer import flaskJSONRPCServer"
SANSIO = "import flaskJSONRPCServer.sansio_jsonrpc"

_TIMED = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def measure(rounds: int, pins: Pins) -> dict[str, float]:
    """Return the median duration of each import, in milliseconds."""
    samples: dict[str, list[float]] = {statement: [] for statement in (FLASK, OURS_WHOLE, SANSIO)}
    with tempfile.TemporaryDirectory() as folder:
        environ = with_bytecode_in(folder)
        for statement in samples:
            import_ms(statement, pins, environ)  # writes the bytecode
        for _ in range(rounds):
            for statement, taken in samples.items():
                taken.append(import_ms(statement, pins, environ))
    return {statement: statistics.median(taken) for statement, taken in samples.items()}


def with_bytecode_in(folder: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": folder}


def import_ms(statement: str, pins: Pins, environ: Mapping[str, str]) -> float:
    command = [*pins.server, sys.executable, "-c", _TIMED.format(statement)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    return float(done.stdout) * 1000
