"""Compute in a pool of processes, on all cores: search the largest primes, and report the progress.

    pip install 'loky>=3.4' 'cloudpickle>=3.0'
    python examples/primes.py [PORT]
    curl 'http://127.0.0.1:8080/api/largest?below=100000000000000' &
    curl http://127.0.0.1:8080/api/progress

The last command answers at once, from the server's own process, while the first one computes: 10, then 20, up to 100. A
process of the pool has a copy of the object, so it reports its progress in a file. Ctrl-C waits for running
computations.
"""

import math
import sys
import tempfile
from pathlib import Path

from flaskJSONRPCServer import MissingExtraError, flaskJSONRPCServer, rpc


def is_prime(number):
    return number > 1 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


class Primes:
    def __init__(self, folder):
        self._progress = Path(folder) / "progress"

    @rpc(tags=["search"], examples=[{"name": "the two below 100", "params": [100, 2], "result": [97, 89]}])
    def largest(self, below: int, count: int = 10) -> list[int]:
        """Return the largest primes below a number; runs in a process of the pool.

        Args:
            below: All primes are smaller. Larger numbers take longer.
            count: The number of primes.
        """
        primes = []
        for number in range(below - 1, 1, -1):
            if len(primes) == count:
                break
            if is_prime(number):
                primes.append(number)
                self._report(100 * len(primes) // count)
        return primes

    @rpc(tags=["search"])
    def progress(self) -> int:
        """Return the progress of the latest search in percent; runs in the server's own process."""
        return int(self._progress.read_text()) if self._progress.exists() else 0

    def _report(self, percent):
        new = self._progress.with_suffix(".new")
        new.write_text(str(percent))
        new.replace(self._progress)  # atomically, so that no reader gets half a number


def make_server(port, folder):
    server = flaskJSONRPCServer(["127.0.0.1", port], name="primes")
    primes = Primes(folder)
    server.registerFunction(primes.largest, path="/api", dispatcherBackend="parallel")
    server.registerFunction(primes.progress, path="/api")
    return server


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    with tempfile.TemporaryDirectory() as folder:
        try:
            make_server(port, folder).serveForever()
        except MissingExtraError as exc:
            sys.exit(f"primes.py: {exc}")


if __name__ == "__main__":
    main()
