"""From trials to numbers: energies against the best known, times against the reference."""

from __future__ import annotations

from statistics import median

import torch

from gmssl.benchmarking.solvers.contestants import LONG, LONG_KIND, REFERENCE, size_class
from gmssl.benchmarking.solvers.instances import by_setting
from gmssl.benchmarking.solvers.report import Row
from gmssl.benchmarking.solvers.timing import Trial
from gmssl.interfaces.registry import part
from gmssl.problem import Problem, energy, lift, solve
from gmssl.problem.gap import relative_gap

TOLERANCE = 1e-6
"""Energies e and e' are equal within TOLERANCE · max(1, |e'|)."""

CERTIFIED = 1e-4
"""Relative gap to the bound up to which a solution counts as proven; `lagrange` stops there."""


def energies(problem: Problem, vertex: torch.Tensor) -> torch.Tensor:
    """Energies `[G]` of vertex matchings `[G,n,m]`, in float64."""
    return energy(problem.costs.map(torch.Tensor.double), lift(vertex.double(), problem.topology))


def long_run(problem: Problem, share: float = 1.0) -> torch.Tensor:
    """Energies `[G]` of a search that no other matches in effort: the starts and iterations of `presets.LONG`.

    Args:
        problem: the batch.
        share: of the starts, for smoke tests.
    """
    starts, iterations = LONG[size_class(problem.costs.vertex.shape[1])]
    searcher = part("solver", LONG_KIND, starts=max(1, int(share * starts)), iterations=iterations, agree=None, seed=1)
    return energies(problem, solve(problem, searcher).matching.vertex)


def rows(trials: list[Trial], problem: Problem, found: torch.Tensor) -> tuple[list[Row], list[float]]:
    """The rows of all trials, and the mean best known energy of each setting.

    Args:
        trials: of the same problem.
        problem: the batch.
        found: energies `[G]` that somebody else reached; the best known are the least of these and of all trials.
    """
    reached = {trial.contestant.label: energies(problem, trial.vertex) for trial in trials}
    best = torch.stack([found, *reached.values()]).amin(0)
    reference = next((t for t in trials if _is_reference(t)), None)
    return [_row(trial, reached, best, reference) for trial in trials], by_setting(best)


def _row(trial: Trial, reached: dict[str, torch.Tensor], best: torch.Tensor, reference: Trial | None) -> Row:
    solver, mine = trial.contestant.solver, reached[trial.contestant.label]
    micro = 1e6 / len(mine)
    above = mine - best
    means = by_setting(mine)
    open_ = _relative_bound_gap(trial, mine)
    return Row(
        solver=trial.contestant.label,
        kind=solver.kind,
        settings={name: value for name, value in solver.model_dump(mode="json").items() if name != "kind"},
        rounds=len(trial.rounds),
        wall_us=median(r.wall for r in trial.rounds) * micro,
        cpu_us=median(r.cpu for r in trial.rounds) * micro,
        building_us=median(r.building for r in trial.rounds) * micro if trial.contestant.stages else None,
        speed=_speed(trial, reference, "wall"),
        cpu_speed=_speed(trial, reference, "cpu"),
        gap=above.mean().item(),
        relative_gap=(above / best.abs().clamp(min=1)).mean().item(),
        solved=_share(above <= TOLERANCE * best.abs().clamp(min=1)),
        energies=means,
        no_worse=None if reference is None else _no_worse(means, by_setting(reached[reference.contestant.label])),
        bound_gap=None if open_ is None else open_.mean().item(),
        bound_gaps=None if open_ is None else by_setting(open_),
        certified=None if open_ is None else _share(open_ <= CERTIFIED),
    )


def _relative_bound_gap(trial: Trial, reached: torch.Tensor) -> torch.Tensor | None:
    if trial.bound is None or not trial.contestant.solver.uses_edges:  # without edges it bounds another problem
        return None
    return relative_gap(reached - trial.bound.double(), reached)


def _is_reference(trial: Trial) -> bool:
    return trial.contestant.solver.kind == REFERENCE


def _speed(trial: Trial, reference: Trial | None, clock: str) -> float | None:
    if reference is None:
        return None
    pairs = zip(reference.rounds, trial.rounds, strict=False)
    return median(getattr(theirs, clock) / max(getattr(own, clock), 1e-9) for theirs, own in pairs)


def _no_worse(own: list[float], others: list[float]) -> list[bool]:
    return [a <= b + TOLERANCE * max(1.0, abs(b)) for a, b in zip(own, others, strict=True)]


def _share(which: torch.Tensor) -> float:
    return which.double().mean().item()
