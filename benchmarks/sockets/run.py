"""Run the measurements in rounds."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from .environments import LeftOutError, Runner, prepare
from .loads import MEGABYTES, SINGLE, Load
from .results import Results
from .roster import Contestant
from .serving import Pins, Served, serving
from .wrk import LoadError, Sample, measure

# A round that would end later is not started.
_LIMIT_S = 14 * 60

Plan = list[tuple[Contestant, list[Load]]]


def print_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class Run:
    """One run of the benchmark.

    Attributes:
        rounds: The most rounds.
        seconds: The duration of one measurement.
    """

    rounds: int
    seconds: float
    pins: Pins = field(default_factory=Pins.of_machine)
    results: Results = field(default_factory=Results)
    runners: dict[str, Runner] = field(default_factory=dict)

    def prepare(self, plan: Plan) -> Plan:
        """Build the environments; return the plan without contestants whose environment cannot be built."""
        return [(contestant, loads) for contestant, loads in plan if self.has_runner(contestant)]

    def has_runner(self, contestant: Contestant) -> bool:
        try:
            self.runners[contestant.environment] = prepare(contestant.environment)
        except LeftOutError as exc:
            self.results.left_out[contestant.name] = str(exc)
            return False
        return True

    def measure_rounds(self, plan: Plan) -> int:
        """Run the rounds, as many as the time allows; return their number."""
        begun = time.monotonic()
        for done in range(1, self.rounds + 1):
            for contestant, loads in plan:
                self.take_turn(contestant, loads)
            elapsed_s = time.monotonic() - begun
            print_progress(f"round {done} of {self.rounds}: {elapsed_s:.0f} s so far")
            if elapsed_s * (done + 1) / done > _LIMIT_S:
                break
        return done

    def take_turn(self, contestant: Contestant, loads: list[Load]) -> None:
        """Measure one contestant once with each load. A contestant that fails is left out afterwards."""
        if contestant.name in self.results.left_out:
            return
        try:
            with serving(contestant, self.runners[contestant.environment], self.pins) as served:
                self.put_load(
                    served, SINGLE, self.seconds / 2
                )  # a warm-up, for code that is compiled or cached on first use
                for load in self.answered(contestant, served, loads):
                    self.results.add(contestant, load, self.put_load(served, load, self.seconds * load.patience))
                    if load is not MEGABYTES:  # most contestants do not get this load
                        self.results.memory_mb[contestant.name] = served.memory_mb()
        except (LeftOutError, LoadError) as exc:
            self.results.left_out[contestant.name] = str(exc)

    def answered(self, contestant: Contestant, served: Served, loads: list[Load]) -> Iterator[Load]:
        """Yield the loads that the contestant answers correctly."""
        for load in loads:
            if served.answers(load):
                yield load
            else:
                self.results.left_out[f"{contestant.name}: {load.title}"] = "its answer is wrong"

    def put_load(self, served: Served, load: Load, seconds: float) -> Sample:
        return measure(served.url, load.body, connections=load.connections, seconds=seconds, prefix=self.pins.load)
