"""From a bound in plain costs to one in the given ones, and whether it proves a matching."""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.parts.solvers.outcome import energies, evaluated, in_dtype, rounded_down
from gmssl.parts.solvers.plain import Plain
from gmssl.problem import Multipliers, Problem, Solution

ROUNDING = 1e-14
"""Of a sum in float64, relative to the magnitudes that a matching pays."""


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
    relative = energy.abs()
    gap, lower = (energy - bound).clamp(min=0), torch.minimum(bound, energy)  # rounding may have lifted a bound
    if found is not None:
        plainly = (energies(found.problem, columns) - bound).clamp(min=0) / found.factor
        gap = torch.where(found.changed, plainly, gap)
        lower = torch.where(found.changed, energy - plainly, lower)
        relative = torch.where(found.changed, torch.minimum(relative, found.decisive / found.factor), relative)
    # Sums of the same numbers in two orders differ by so much: that is no gap, least of all where the energy is 0.
    paid = energies(problem, columns, magnitudes=True)
    same = gap <= ROUNDING * paid
    gap, lower = torch.where(same, 0.0, gap), torch.where(same, energy, lower)
    converged = gap <= tolerance * relative
    return Solution(matching, in_dtype(energy, dtype), rounded_down(lower, dtype), converged, multipliers)


def in_units(multipliers: Multipliers | None, found: Plain | None) -> Multipliers | None:
    """Multipliers of the given costs as those of plain ones."""
    return multipliers if multipliers is None or found is None else _scaled(multipliers, found.factor)


def in_given(multipliers: Multipliers, found: Plain | None) -> Multipliers:
    """Multipliers of plain costs as those of the given ones."""
    return multipliers if found is None else _scaled(multipliers, 1 / found.factor)


def on_device(solution: Solution, device: torch.device) -> Solution:
    """The same solution, without multipliers, on another device."""
    assert solution.bound is not None, "only solutions with a bound are certified"
    matching = solution.matching.map(lambda x: x.to(device))
    return Solution(matching, solution.energy.to(device), solution.bound.to(device), solution.converged.to(device))


def _scaled(multipliers: Multipliers, factor: torch.Tensor) -> Multipliers:
    one = factor[:, None, None]  # float64: a factor may be beyond the numbers of float32 where the product is not
    scaled = multipliers.tail * one, multipliers.head * one, multipliers.capacity * one[..., None]
    return Multipliers(*(x.float() for x in scaled))
