"""Times of several solvers on the same instances, taken in turns: drift of the machine cancels in their ratios."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import TypeVar

import torch

from gmssl.benchmarking.solvers.contestants import Absent, Contestant
from gmssl.errors import GmsslError
from gmssl.problem import Problem, Solution, solve

T = TypeVar("T")

BLOCKS = 4
"""Parts of the batch between which contestants take turns."""

PATIENCE = 25.0
"""Seconds after which a contestant, at one size, begins no further round."""


@dataclass
class Round:
    """Seconds for the whole batch: wall, CPU (all threads of the process), and wall of model building."""

    wall: float = 0.0
    cpu: float = 0.0
    building: float = 0.0


@dataclass
class Trial:
    """What a contestant did: a `Round` for each time that it solved the whole batch."""

    contestant: Contestant
    rounds: list[Round] = field(default_factory=list)
    vertex: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.float32, device="cpu"))
    bound: torch.Tensor | None = None

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return sum(r.wall + r.building for r in self.rounds)


def race(
    entrants: list[Contestant], problem: Problem, repeats: int, tell: Callable[[str], None]
) -> tuple[list[Trial], list[Absent]]:
    """Solve the batch in turns.

    Round by round and block by block, each contestant solves the block; matchings and bounds are kept from the first
    round. Compilation and imports happen before, on one instance.

    Args:
        entrants: who takes part.
        problem: the batch.
        repeats: rounds, at least 1; a contestant begins no more of them once it has taken `PATIENCE`.
        tell: called with a line about what is going on.

    Returns:
        A trial for each contestant, and those that refused the problem, with their message.
    """
    trials, absent = [], []
    for entrant in entrants:
        tell(f"compiling {entrant.label}")
        try:
            entrant.solution(problem.select(torch.tensor([0], device="cpu")))
        except GmsslError as error:
            absent.append(Absent(entrant.label, str(error)))
        else:
            trials.append(Trial(entrant))
    graphs = len(problem.costs.vertex)
    indices = [torch.arange(first, graphs, BLOCKS, device="cpu") for first in range(min(BLOCKS, graphs))]
    blocks = [problem.select(index) for index in indices]
    solutions: dict[str, list[Solution]] = {trial.contestant.label: [] for trial in trials}
    for number in range(repeats):
        active = [trial for trial in trials if not number or trial.spent < PATIENCE]
        for trial in active:
            trial.rounds.append(Round())
        gc.collect()
        for block in blocks:
            for trial in active:
                tell(f"round {number + 1} of {repeats}, {trial.contestant.label}")
                solution = _turn(trial, block)
                if not number:
                    solutions[trial.contestant.label].append(solution or trial.contestant.solution(block))
    order = torch.cat(indices).argsort()
    for trial in trials:
        parts = solutions[trial.contestant.label]
        trial.vertex = torch.cat([s.matching.vertex for s in parts])[order]
        bounds = [s.bound for s in parts if s.bound is not None]
        trial.bound = torch.cat(bounds)[order] if bounds else None
    return trials, absent


def _turn(trial: Trial, block: Problem) -> Solution | None:
    """Time one block; None where the timed function gives no `Solution`."""
    stages, current = trial.contestant.stages, trial.rounds[-1]
    if stages is None:
        given = trial.contestant.given(block)
        return _timed(lambda: solve(given, trial.contestant.solver), current)
    start = perf_counter()
    models = stages.build(block)
    current.building += perf_counter() - start
    _timed(lambda: stages.solve(models), current)
    return None


def _timed(run: Callable[[], T], into: Round) -> T:
    wall, cpu = perf_counter(), process_time()
    result = run()
    into.wall += perf_counter() - wall
    into.cpu += process_time() - cpu
    return result


def ratio_of_times(slow: Callable[[], object], fast: Callable[[], object], repeats: int) -> float:
    """Median over repeats of wall time of `slow` / wall time of `fast`; who goes first alternates."""
    ratios = []
    for number in range(repeats):
        rounds = Round(), Round()
        for run, into in ((slow, rounds[0]), (fast, rounds[1]))[:: 1 - 2 * (number % 2)]:
            _timed(run, into)
        ratios.append(rounds[0].wall / rounds[1].wall)
    return sorted(ratios)[len(ratios) // 2]
