"""A long run under mixed load: calls, batches and notifications, while the server reloads, locks and restarts.

The load includes misbehaving clients (:mod:`benchmarks.soak.misbehaving`), floods and TLS. Every two seconds the run
samples memory, descriptors, threads and the time of calls. It ends with tables, and with status 1 if a call was lost or
answered wrongly, if memory, descriptors or threads grew over the second half, or if anything was left behind. `make
soak` runs it for ten minutes. With `--parallel`, some calls run in child processes, which are killed one after the
other: a kill may cost one call, which is answered with -32005.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.sockets.environments import ROOT, LeftOutError
from flaskJSONRPCServer.runtime.progress import progress

from . import page
from .clients import CUT, Client, Flood, Manner, Target
from .running import Server, running_server
from .samples import Recorder, Sampler, growths, trends
from .server import AUTHORITY
from .stalls import StallWatch
from .trends import BLOCKS

# The most growth of a process between an idle moment near the start and one at the end. The blocks of Python's
# allocator grow with the statistics: a bucket of a histogram is a block or two once its count is over 256.
MOST_GROWTH = {"threads": 0, "descriptors": 0, "children": 0, "modules": 0, "memory_mb": 3.0, "blocks": 12_000}

# Without these, glibc keeps freed blocks of some megabytes in an arena for each thread, which hides the memory that is
# really in use.
_ENVIRON = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_ARENA_MAX": "2"}

MANNERS = (
    *[Manner(0.005)] * 6,
    Manner(0.02, renews=True),
    Manner(0.02, is_secure=True),
    Manner(0.2, is_secure=True, renews=True),
)

Outcome = tuple[Counter[str], list[str]]


def main() -> None:
    arguments = parse_arguments()
    options = ["--parallel"] if arguments.parallel else []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server("soak.server", Path(folder), *options, gevent=arguments.gevent, environ=_ENVIRON) as server,
    ):
        target = target_of(server, Path(folder))
        with progress(f"warming up for {arguments.warm_up_s:g} s"):
            load_for(arguments.warm_up_s, target, server, Recorder(), gevent=arguments.gevent)
        with progress(f"idle for {arguments.idle_s:g} s before the first figures"):
            before = server.idle_figures(arguments.idle_s)
        recorder = Recorder()
        sampler = Sampler(server.pid, recorder, arguments.every_s)
        with progress(lambda: loading(arguments.minutes, sampler)), sampler.running():
            counts, faults = load_for(arguments.minutes * 60, target, server, recorder, gevent=arguments.gevent)
        with progress(f"idle for {arguments.idle_s:g} s before the last figures"):
            after = server.idle_figures(arguments.idle_s)
    found_trends = trends(sampler.samples)
    faults += [*faults_of(counts, before, after), *growths(found_trends)]
    run = page.Run(arguments.minutes, counts, before, after, sampler.samples, found_trends, faults)
    print(page.report(run))
    with contextlib.suppress(LeftOutError):
        keep(run, arguments)
    sys.exit(1 if faults else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="the duration of the load")
    parser.add_argument("--warm-up-s", type=float, default=30, help="the duration of the load before the first figures")
    # Threads of the exec backends end after 30 seconds without work.
    parser.add_argument("--idle-s", type=float, default=35, help="the idle time before the figures")
    parser.add_argument("--every-s", type=float, default=2, help="the time between two samples")
    parser.add_argument("--gevent", action="store_true", help="serve with pywsgi, under gevent")
    parser.add_argument(
        "--parallel", action="store_true", help="run some calls in child processes, and kill one after the other"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples into a file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them, as PNG, and as SVG beside it")
    parser.add_argument("--write", action="store_true", help=f"draw and write {page.PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if arguments.minutes * 60 / arguments.every_s < 5 * BLOCKS:
        parser.error(
            f"{arguments.minutes:g} minutes are too few for a trend; give --minutes {arguments.every_s * BLOCKS / 12:g}"
        )
    return arguments


def loading(minutes: float, sampler: Sampler) -> str:
    """Return a line on the load for a terminal."""
    memory = f", {sampler.samples[-1].uss_mb:.0f} MB" if sampler.samples else ""
    return f"loading for {minutes:g} minutes, {len(sampler.samples)} samples{memory}"


def target_of(server: Server, folder: Path) -> Target:
    plain, secure = server.ask("figures")["addresses"]
    return Target(tuple(plain), tuple(secure), folder / AUTHORITY)


def load_for(duration_s: float, target: Target, server: Server, recorder: Recorder, *, gevent: bool) -> Outcome:
    """Load the server for a duration; return the counts of answers, and the faults."""
    deadline = time.monotonic() + duration_s
    stalls = StallWatch()
    loads: list[Client | Flood] = [
        Client(target, manner, recorder, stalls, deadline, seed) for seed, manner in enumerate(MANNERS)
    ]
    loads.append(Flood(target, recorder, stalls, deadline))
    server.ask("start")
    with misbehaving(target, duration_s, gevent=gevent) as strangers, stalls.running():
        for load in loads:
            load.start()
        for load in loads:
            load.join()
        text, _ = strangers.communicate()
    server.ask("stop")
    outcome = json.loads(text)
    counts = sum((load.counts for load in loads), Counter(outcome["counts"]))
    counts["stalls of the machine"] = stalls.count
    counts["seconds of them"] = round(stalls.total_s)
    return counts, [*outcome["faults"], *(fault for load in loads for fault in load.faults)]


def misbehaving(target: Target, duration_s: float, *, gevent: bool) -> subprocess.Popen[str]:
    """Start the misbehaving clients."""
    (host, port), (_, tls_port) = target.plain, target.secure
    command = ["-m", "benchmarks.soak.misbehaving", host, str(port), str(tls_port), str(duration_s)]
    options = ["--gevent"] if gevent else []
    return subprocess.Popen([sys.executable, *command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def faults_of(counts: Counter[str], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return a sentence for each loss and each leftover."""
    faults = [
        f"{name} grew from {before[name]:g} to {after[name]:g}"
        for name, most in MOST_GROWTH.items()
        if after[name] - before[name] > most
    ]
    if counts["killed calls"] > (kills := after["kills"] - before["kills"]):
        faults.append(f"{counts['killed calls']} calls were lost with {kills} processes")
    ran = after["notes"] - before["notes"]
    # Requests that were cut off may have run: a batch has two notifications.
    if not 0 <= ran - counts["notifications"] <= 2 * counts[CUT] or after["notificationLostCount"]:
        faults.append(f"of {counts['notifications']} notifications {ran} ran")
    unended = [name for name in ("processingRequestCount", "processingDispatcherCount") if after[name]]
    return [*faults, *(f"{name} is {after[name]} at the end" for name in unended)]


def keep(run: page.Run, arguments: argparse.Namespace) -> None:
    """Write the outputs that the command line requests."""
    if arguments.json:
        arguments.json.write_text(json.dumps(run.as_json(), indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        page.draw(run, arguments.plot)
    if arguments.write:
        page.write(run)


if __name__ == "__main__":
    main()
