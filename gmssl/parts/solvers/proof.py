"""From a bound in plain costs to one in the given ones, and whether it proves a matching."""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.parts.solvers.outcome import evaluated, in_dtype, rounded_down
from gmssl.parts.solvers.plain import Plain
from gmssl.problem import Multipliers, Problem, Solution
from gmssl.problem.gap import beyond_rounding


def certified(
    problem: Problem,
    columns: torch.Tensor,
    bound: torch.Tensor,
    found: Plain | None,
    tolerance: float,
    multipliers: Multipliers | None = None,
) -> Solution:
    """A solution with a bound that never exceeds the optimum, `converged` where the gap is within the tolerance.

    The gap is taken in plain costs, where no constant hides it, and relative to the energy, or to what is left to
    decide if that is less: an offset of all costs makes no gap smaller.

    Args:
        problem: what was asked.
        columns: `[G,n]`, the matching.
        bound: `[G]` float64, in the units of `found`.
        found: the plain problems that were bounded, or None if all were ordinary.
        tolerance: relative.
        multipliers: of the bound, in the units of the given costs.
    """
    dtype = problem.costs.vertex.dtype
    matching, energy = evaluated(problem, columns)
    decisive, paid = torch.full_like(energy, torch.inf), _paid(problem, columns)
    gap, lower = (energy - bound).clamp(min=0), torch.minimum(bound, energy)  # rounding may have lifted a bound
    if found is not None:
        plainly = (evaluated(found.problem, columns)[1] - bound).clamp(min=0) / found.factor
        gap = torch.where(found.changed, plainly, gap)
        lower = torch.where(found.changed, energy - plainly, lower)
        decisive = torch.where(found.changed, found.decisive / found.factor, decisive)
        paid = torch.where(found.changed, _paid(found.problem, columns) / found.factor, paid)
    gap = beyond_rounding(gap, paid)
    lower = torch.where(gap == 0, energy, lower)
    solution = Solution(
        matching,
        in_dtype(energy, dtype),
        rounded_down(lower, dtype),
        converged=torch.zeros_like(gap, dtype=torch.bool),
        multipliers=multipliers,
        difference=gap,
        decisive=decisive,
    )
    return solution.judged(tolerance)


def _paid(problem: Problem, columns: torch.Tensor) -> torch.Tensor:
    """The sum of the magnitudes of all costs that assignments `[G,n]` pay, `[G]`."""
    return evaluated(problem.with_costs(problem.costs.map(torch.Tensor.abs)), columns)[1]


def in_units(multipliers: Multipliers | None, found: Plain | None) -> Multipliers | None:
    """Multipliers of the given costs as those of plain ones."""
    return multipliers if multipliers is None or found is None else _scaled(multipliers, found.factor)


def in_given(multipliers: Multipliers, found: Plain | None) -> Multipliers:
    """Multipliers of plain costs as those of the given ones."""
    return multipliers if found is None else _scaled(multipliers, 1 / found.factor)


def on_device(solution: Solution, device: torch.device) -> Solution:
    """The same solution, without multipliers, on another device."""
    numbers = {
        name: getattr(solution, name).to(device) for name in ("energy", "bound", "converged", "difference", "decisive")
    }
    return Solution(solution.matching.map(lambda x: x.to(device)), **numbers)


def _scaled(multipliers: Multipliers, factor: torch.Tensor) -> Multipliers:
    one = factor[:, None, None]  # float64: a factor may be beyond the numbers of float32 where the product is not
    scaled = multipliers.tail * one, multipliers.head * one, multipliers.capacity * one[..., None]
    return Multipliers(*(x.float() for x in scaled))
