"""`compare_solvers`: the whole benchmark of solvers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gmssl.benchmarking.solvers.contestants import THREADED, Contestant, contestants
from gmssl.benchmarking.solvers.instances import SETTINGS, instances
from gmssl.benchmarking.solvers.report import Report, SizeReport, Threads
from gmssl.benchmarking.solvers.scores import long_run, rows
from gmssl.benchmarking.solvers.timing import race, ratio_of_times
from gmssl.errors import ProblemError
from gmssl.parts.solvers.kernels.threads import one_thread
from gmssl.problem import Problem, solve
from gmssl.system.machine import cores, this_machine

SIZES = (10, 16, 32)
SMALLEST, LARGEST = 2, 64
"""n; above, the dense matrices of some peers fill gigabytes."""

GRAPHS = {10: 20, 16: 20, 32: 5}
"""Instances of each noise setting, by size."""

REPEATS = 5


def graphs_by_default(n: int) -> int:
    """Fewer instances where each takes longer."""
    return GRAPHS[min((size for size in GRAPHS if size >= n), default=max(GRAPHS))]


def compare_solvers(
    sizes: Sequence[int] = SIZES,
    graphs: int | None = None,
    repeats: int = REPEATS,
    only: Sequence[str] = (),
    seed: int = 0,
    quick: bool = False,
    command: str = "",
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Measure solvers against each other, on one thread, in this process.

    Args:
        sizes: n of the instances, each in 2..64.
        graphs: instances of each of the 24 noise settings; None: `GRAPHS`.
        repeats: rounds, see `timing.race`.
        only: kinds to measure; none measures every installed solver that matches one to one.
        seed: of the instances.
        quick: search little for the best known energies: for smoke tests.
        command: that repeats this run; kept in the report.
        tell: called with a line about what is going on.

    Raises:
        ProblemError: a size out of range.
        RecipeError, PluginError: see `contestants`.
    """
    for n in sizes:
        if not SMALLEST <= n <= LARGEST:
            raise ProblemError(f"n = {n} cannot be measured; use sizes from {SMALLEST} to {LARGEST}, such as 16.")
    entrants = {n: contestants(n, only) for n in sizes}  # a wrong name is told before anything is measured
    machine = this_machine()
    measured = []
    with one_thread():
        for n in sizes:
            count = graphs or graphs_by_default(n)
            problem = instances(n, count, seed)
            trials, refused = race(entrants[n][0], problem, repeats, _prefixed(tell, n))
            tell(f"n = {n}: best known energies")
            lines, best = rows(trials, problem, long_run(problem, 1 / 16 if quick else 1.0))
            tell(f"n = {n}: two threads")
            ratios = _threads([t.contestant for t in trials], problem, repeats)
            measured.append(SizeReport(n, count, best, lines, ratios, [*entrants[n][1], *refused]))
    return Report(command, machine, SETTINGS, measured)


def _prefixed(tell: Callable[[str], None], n: int) -> Callable[[str], None]:
    return lambda line: tell(f"n = {n}: {line}")


def _threads(entrants: list[Contestant], problem: Problem, repeats: int) -> list[Threads]:
    if cores() < 2:
        return []
    found = []
    for entrant in entrants:
        if entrant.solver.kind != THREADED:
            continue
        one, two = (partial(solve, problem, entrant.solver.model_copy(update={"threads": k})) for k in (1, 2))
        ratio = ratio_of_times(one, two, 2 * repeats + 1)
        found.append(Threads(entrant.label, ratio))
    return found
