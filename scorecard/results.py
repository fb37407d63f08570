"""The results of checks, and the rows of the table."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Findings", "Result", "Row"]


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check.

    Attributes:
        passed: Whether it passed.
        figure: The measurements, in words and numbers.
        faults: The requirements that failed.
    """

    passed: bool
    figure: str
    faults: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The faults and the figure."""
        return "; ".join(filter(None, [*(f"FAULT: {fault}" for fault in self.faults), self.figure]))


@dataclass(slots=True)
class Findings:
    """Collects the measurements and faults of one check."""

    figures: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def measure(self, figure: str) -> None:
        """Add a figure to the row."""
        self.figures.append(figure)

    def require(self, holds: object, fault: str) -> None:
        """Fail the check, with this fault, unless the condition holds."""
        if not holds:
            self.faults.append(fault)

    def result(self) -> Result:
        """Return the outcome. A check that has measured nothing has not passed."""
        if not self.figures:
            return Result(False, "", (*self.faults, "nothing was measured"))
        return Result(not self.faults, "; ".join(self.figures), tuple(self.faults))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        number: The number of the check.
        title: The title of the check.
        backend: The serving backend; ``-`` if none is used.
        result: The result.
        seconds: How long it took.
    """

    number: int
    title: str
    backend: str
    result: Result
    seconds: float = 0.0
