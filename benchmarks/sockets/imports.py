"""Time imports, each in new processes that take turns.

Bytecode is available, since pip makes it when it installs a package. Without it, compiling would take most of the time.
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
            for statement, durations_ms in samples.items():
                durations_ms.append(import_ms(statement, pins, environ))
    return {statement: statistics.median(durations_ms) for statement, durations_ms in samples.items()}


def with_bytecode_in(folder: str) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environ | {"PYTHONPYCACHEPREFIX": folder}


def import_ms(statement: str, pins: Pins, environ: Mapping[str, str]) -> float:
    command = [*pins.server, sys.executable, "-c", _TIMED.format(statement)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    return float(done.stdout) * 1000
