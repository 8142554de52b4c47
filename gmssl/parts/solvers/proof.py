"""From a bound in plain costs to one in the given ones, and whether it proves a matching."""

from __future__ import annotations

import warnings
from typing import Protocol

from gmssl.lazy import torch
from gmssl.parts.solvers.outcome import energies, evaluated, in_dtype, rounded_down
from gmssl.parts.solvers.plain import Plain
from gmssl.problem import Multipliers, Problem, Solution
from gmssl.problem.gap import beyond_rounding

RESOLUTION = 2.0**-18
"""Of the largest cost: what an ascent in float32 leaves open, sums included."""


class Proving(Protocol):
    """What `certified` asks of a solver."""

    @property
    def kind(self) -> str:
        """Its name, which a warning tells."""

    @property
    def tolerance(self) -> float:
        """The relative gap at which a matching is proven."""


def certified(
    solver: Proving,
    problem: Problem,
    columns: torch.Tensor,
    bound: torch.Tensor,
    found: Plain | None,
    multipliers: Multipliers | None = None,
) -> Solution:
    """A solution with a bound that never exceeds the optimum, `converged` where the gap is within the tolerance.

    The gap is taken in plain costs, where no constant hides it, and relative to the energy, or to what is left to
    decide if that is less: an offset of all costs makes no gap smaller.

    A warning says where the proof is missing because a cost is too large for what is left to decide.

    Args:
        solver: who asks.
        problem: what was asked.
        columns: `[G,n]`, the matching.
        bound: `[G]` float64, in the units of `found`.
        found: the plain problems that were bounded, or None if all were ordinary.
        multipliers: of the bound, in the units of the given costs.
    """
    dtype = problem.costs.vertex.dtype
    matching, energy = evaluated(problem, columns)
    decisive, paid = torch.full_like(energy, torch.inf), energies(problem, columns, magnitudes=True)
    gap, lower = (energy - bound).clamp(min=0), torch.minimum(bound, energy)  # rounding may have lifted a bound
    if found is not None:
        plainly = (energies(found.problem, columns) - bound).clamp(min=0) / found.factor
        gap = torch.where(found.changed, plainly, gap)
        lower = torch.where(found.changed, energy - plainly, lower)
        decisive = torch.where(found.changed, found.decisive / found.factor, decisive)
        plain_ones = energies(found.problem, columns, magnitudes=True) / found.factor
        paid = torch.where(found.changed, plain_ones, paid)
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
    solution = solution.judged(solver.tolerance)
    if found is not None:
        unresolved = gap * found.factor <= RESOLUTION * found.largest
        _warn_of(solver.kind, ~solution.converged & found.coarse & unresolved)
    return solution


def _warn_of(kind: str, unresolved: torch.Tensor) -> None:
    if bool(unresolved.any()):
        warnings.warn(
            f"{kind}: in {int(unresolved.sum())} of {len(unresolved)} instances no more is left open than what bounds "
            "resolve beside the dearest cost that decides, and that is more than the tolerance; `converged` is False "
            "there. Use smaller costs: forbid pairs with `allowed`, and leave out constants.",
            stacklevel=4,
        )


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
