"""The result of the benchmark, as it is written to JSON."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.benchmarking.solvers.contestants import Absent
from gmssl.benchmarking.solvers.instances import NoiseSetting
from gmssl.system.machine import Machine


@dataclass(frozen=True)
class Row:
    """One solver at one size.

    Attributes:
        solver: name in tables.
        kind, settings: of the part.
        rounds: how often it solved all instances; times are medians over rounds.
        wall_us, cpu_us: microseconds an instance; CPU time of all threads.
        building_us: wall microseconds of model building, which are in neither of the two; None where nothing is built.
        speed, cpu_speed: the reference's time / this solver's, medians over the rounds that both took part in.
        gap: mean energy above the best known.
        relative_gap: mean of that over max(1, |best known|).
        solved: share of instances within `scores.TOLERANCE` of the best known energy.
        energies: mean energy of each noise setting.
        no_worse: of each setting: that mean is not above the reference's; None without a reference.
        bound_gap: mean of (energy − bound) / |energy|; None without bounds for the whole problem.
        bound_gaps: that of each setting.
        certified: share of instances where it is at most `scores.CERTIFIED`.
    """

    solver: str
    kind: str
    settings: dict[str, object]
    rounds: int
    wall_us: float
    cpu_us: float
    building_us: float | None
    speed: float | None
    cpu_speed: float | None
    gap: float
    relative_gap: float
    solved: float
    energies: list[float]
    no_worse: list[bool] | None
    bound_gap: float | None
    bound_gaps: list[float] | None
    certified: float | None


@dataclass(frozen=True)
class Threads:
    """Wall time of a solver on one thread / its wall time on two."""

    solver: str
    ratio: float


@dataclass(frozen=True)
class SizeReport:
    """All solvers on the instances of one size.

    Attributes:
        n: vertices of a side.
        graphs: instances of each noise setting.
        best: mean best known energy of each noise setting.
        rows: of the solvers.
        threads: two threads against one; empty where the process may use one core only.
        absent: solvers without a row, and why.
    """

    n: int
    graphs: int
    best: list[float]
    rows: list[Row]
    threads: list[Threads]
    absent: list[Absent]


@dataclass(frozen=True)
class Report:
    """A run of the benchmark: the command that repeats it, where it ran, and what was measured."""

    command: str
    machine: Machine
    settings: tuple[NoiseSetting, ...]
    sizes: list[SizeReport]
