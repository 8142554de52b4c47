"""How near the optimum the run's solver comes, and what solving takes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from gmssl.interfaces.registry import part
from gmssl.interfaces.solver import Solver
from gmssl.objective.matcher import Step
from gmssl.problem import Pairs, Problem, Solution, certify, solve
from gmssl.recipe.recipe import Recipe
from gmssl.system.table import Table
from gmssl.training.model import reseed

REPEATS = 5
_BOUND = {"tolerance": 1e-6, "iterations": 1000}
"""Of `lagrange`, which bounds what other solvers found; it stops where the gap is closed."""


@dataclass(frozen=True, eq=False)
class Gap:
    """Matchings without noise and margin against a proven lower bound.

    Attributes:
        graphs: how many were bounded.
        gaps: energy − bound, `[graphs]` float64, ≥ 0 up to rounding.
        relative: `Solution.gap` `[graphs]`, float64.
        proven: matchings whose energy the bound reaches within 1e-6 of it.
        source: the solver that gave the bound.
        own: whether that is the run's own.
        seconds: of the bounds.
    """

    graphs: int
    gaps: torch.Tensor
    relative: torch.Tensor
    proven: int
    source: str
    own: bool
    seconds: float


@dataclass(frozen=True)
class Times:
    """Wall time of one batch's problems on this machine, medians of `REPEATS` in ms for each graph pair.

    Attributes:
        graphs: of the batch.
        samples: noisy copies of each graph that the estimator solves at once.
        noiseless: a solve without noise.
        first: the estimator's solve, of all samples.
        second: its backward pass with the solve under target costs, or None if it makes none.
        certified: share of second solves that were skipped, because their answer was proven; None if not asked.
        target_is_truth: share of second solves whose answer is the true matching; None if not asked.
        threads: of torch.
    """

    graphs: int
    samples: int
    noiseless: float
    first: float
    second: float | None
    certified: float | None
    target_is_truth: float | None
    threads: int


@dataclass(frozen=True)
class TrainingShare:
    """What part of the training's time went into matching: shares of all seconds of timing.csv."""

    match: float
    estimator: float
    images_per_second: float


def measure_gap(steps: Sequence[Step], solver: Solver, graphs: int) -> Gap | None:
    """Bound some of the matchings that the solver finds.

    Args:
        steps: of a pass.
        solver: one-to-one.
        graphs: how many to bound.

    Returns:
        None for relaxed solvers, whose optimum is a formula, and for no graphs.
    """
    if solver.differentiable or not graphs:
        return None
    start = perf_counter()
    found: list[Solution] = []
    left = graphs
    own = solver.gives_bound
    bounding = solver
    for step in steps:
        problem = step.without_margin().select(torch.arange(min(left, len(step.problem.costs.vertex))))
        left -= len(problem.costs.vertex)
        if not own:
            edges = bool(problem.costs.edge.numel())
            bounding = part("solver", "lagrange", **_BOUND) if edges else part("solver", "lap")
        matching = solve(problem, solver).matching.vertex
        found.append(certify(problem, matching, bounding))
        if not left:
            break
    energy, bound, relative = (
        torch.cat(list(x)).double() for x in zip(*((s.energy, *_given(s)) for s in found), strict=True)
    )
    gaps = energy - bound
    return Gap(
        graphs=len(gaps),
        gaps=gaps,
        relative=relative,
        proven=int(torch.cat([s.converged for s in found]).sum()),
        source=bounding.kind,
        own=own,
        seconds=perf_counter() - start,
    )


def _given(solution: Solution) -> tuple[torch.Tensor, torch.Tensor]:
    assert solution.bound is not None, "certify refuses solvers without bound"
    assert solution.gap is not None, "there is a bound"
    return solution.bound, solution.gap


def measure_times(step: Step, recipe: Recipe) -> Times | None:
    """Time the solves of a training step on one batch; None for solvers that do not look at the costs."""
    solver, estimator = recipe.solver, recipe.estimator
    if solver.constant:
        return None
    problem, noiseless = step.problem.detach(), step.without_margin()
    graphs = len(problem.costs.vertex)
    done = [_forward_and_backward(problem, recipe, number) for number in range(REPEATS + 1)][1:]  # the first compiles
    solution = done[-1][1]
    backward = [solution.backward.seconds for _, solution in done]
    per_graph = 1000 / graphs
    return Times(
        graphs=graphs,
        samples=int(getattr(estimator, "samples", 1)),
        noiseless=per_graph * statistics.median(_timed(lambda: solve(noiseless, solver)) for _ in range(REPEATS)),
        first=per_graph * statistics.median(seconds for seconds, _ in done),
        second=per_graph * statistics.median(backward) if all(backward) else None,
        certified=solution.backward.certified,
        target_is_truth=solution.backward.target_is_truth,
        threads=torch.get_num_threads(),
    )


def _forward_and_backward(problem: Problem, recipe: Recipe, number: int) -> tuple[float, Solution]:
    """Seconds of the estimator's forward pass, and its solution after the backward pass."""
    costs = Pairs(*(x.clone().requires_grad_() for x in (problem.costs.vertex, problem.costs.edge)))
    generator = reseed(recipe.seed, 0, number, 0, costs.vertex.device)
    asked = problem.with_costs(costs)
    start = perf_counter()
    solution = recipe.estimator.match(recipe.solver, asked, generator)
    seconds = perf_counter() - start
    loss = recipe.loss(solution.matching, asked).mean()
    loss.backward()
    return seconds, solution


def _timed(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def training_share(run: Path) -> TrainingShare | None:
    """From timing.csv; None if there is none."""
    table = Table(run / "timing.csv")
    rows = table.rows()
    if not rows:
        return None
    seconds = table.numbers("seconds")
    total = sum(seconds)

    def mean(column: str) -> float:
        return sum(a * b for a, b in zip(table.numbers(column), seconds, strict=True)) / total

    return TrainingShare(mean("match"), mean("estimator"), mean("images_per_second"))
