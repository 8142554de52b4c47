"""The relative gap between an energy and a bound: one rule for reports, proofs and searches.

    gap = (E − B) / min(|E|, D),  0 where rounding alone tells E and B apart, even at E = 0

D is what is left to decide, where a solver knows it: a constant that all matchings pay makes |E| large, and no gap
small.
"""

from __future__ import annotations

from gmssl.lazy import torch

ROUNDING = 1e-14
"""Of a sum in float64, relative to the magnitudes that a matching pays."""


def relative_gap(difference: torch.Tensor, energy: torch.Tensor, decisive: torch.Tensor | None = None) -> torch.Tensor:
    """The gap `[G]`, float64; +inf where something is open and nothing is left that it could be relative to.

    Args:
        difference: energy − bound.
        energy: of the matching.
        decisive: D, +inf where it is not known; None if it is for no instance.
    """
    difference = difference.double()
    return torch.where(difference <= 0, 0.0, difference / gap_scale(energy.double(), decisive))


def gap_scale(energy: torch.Tensor, decisive: torch.Tensor | None = None) -> torch.Tensor:
    """The magnitude `[G]` that gaps at this energy are relative to."""
    return energy.abs() if decisive is None else torch.minimum(energy.abs(), decisive)


def gap_scale_of(energy: float, decisive: float) -> float:
    """The same of one instance."""
    return min(abs(energy), decisive)


def beyond_rounding(difference: torch.Tensor, paid: torch.Tensor) -> torch.Tensor:
    """A difference of energies, 0 where two orders of one sum may differ by as much.

    Args:
        difference: `[G]` float64.
        paid: `[G]`, the sum of the magnitudes that the matching pays.
    """
    return torch.where(difference <= ROUNDING * paid, 0.0, difference)


def difference_of(energy: torch.Tensor, bound: torch.Tensor, exact: torch.Tensor | None = None) -> torch.Tensor:
    """Energy − bound `[G]`, ≥ 0, float64, of numbers that were rounded to the dtype of the costs.

    Args:
        energy, bound: `[G]`; of what that dtype rounds, there is no difference.
        exact: the difference before they were rounded; it counts where it is the same number but for that.
    """
    eps, high, low = torch.finfo(bound.dtype).eps, energy.double(), bound.double()
    found = (high - low).clamp(min=0)
    if exact is None:
        return torch.where(found <= eps * high.abs(), 0.0, found)
    same = (exact - found).abs() <= 2 * eps * torch.maximum(high.abs(), low.abs())
    return torch.where(same, exact, found)
