"""How dual ascent climbs and what it finds, whichever kernel does it; and how its numbers become a solution."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.lazy import numpy, torch
from gmssl.problem import Multipliers


@dataclass(frozen=True)
class Ascent:
    """Settings of `Lagrange` of the same names; `stop [1]`, an array: anything but 0 ends the ascent early."""

    iterations: int
    every: int
    tolerance: float
    every_pair: bool
    threads: int | None
    stop: numpy.ndarray


@dataclass(frozen=True)
class Dual:
    """What an ascent found for G problems with n ≤ m.

    Attributes:
        columns: `[G,n]`, the best assignment known: the given one, or a rounding below it.
        upper: `[G]` float64, its energy, or what was given as `upper` if that is lower.
        bound: `[G]` float64, +inf where the mask permits no matching.
        multipliers: of the bound; as given where there was no time for any.
        excess: `[G,n,m]` float64, ≥ 0: by how much the bound grows at least where i must go to s; None on a GPU.
    """

    columns: torch.Tensor
    upper: torch.Tensor
    bound: torch.Tensor
    multipliers: Multipliers
    excess: torch.Tensor | None
