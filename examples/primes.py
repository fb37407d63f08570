"""Heavy computation in a pool of processes, on all cores: the largest primes, and how far their search has come.

    pip install 'loky>=3.4' 'cloudpickle>=3.0'
    python examples/primes.py [PORT]
    curl 'http://127.0.0.1:8080/api/largest?below=100000000000000' &
    curl http://127.0.0.1:8080/api/progress

The last command answers at once, in the server's own process, while the one before it computes: 10, then 20, up to 100.
A process of the pool has a copy of the object, so it tells of its progress by a file. Ctrl-C waits for what computes.
"""

import math
import sys
import tempfile
from pathlib import Path

from flaskJSONRPCServer import MissingExtraError, flaskJSONRPCServer


def is_prime(number):
    return number > 1 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


class Primes:
    def __init__(self, folder):
        self._progress = Path(folder) / "progress"

    def largest(self, below, count=10):
        """Return the largest primes below a number; runs in a process of the pool."""
        found = []
        for number in range(int(below) - 1, 1, -1):
            if len(found) == int(count):
                break
            if is_prime(number):
                found.append(number)
                self._tell(100 * len(found) // int(count))
        return found

    def progress(self):
        """Return how much of the latest search is done, in percent; runs in the server's own process."""
        return int(self._progress.read_text()) if self._progress.exists() else 0

    def _tell(self, percent):
        written = self._progress.with_suffix(".new")
        written.write_text(str(percent))
        written.replace(self._progress)  # in one step: nobody reads half a number


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
