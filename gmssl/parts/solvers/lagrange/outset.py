"""What is known before the ascent: bounds in closed form, and multipliers to climb from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gmssl.lazy import torch
from gmssl.parts.solvers.koopmans_beckmann import perhaps_products, products_of
from gmssl.parts.solvers.lagrange.dual import Ascent
from gmssl.parts.solvers.lagrange.eigenvalue import projected_eigenvalues
from gmssl.parts.solvers.lagrange.gilmore_lawler import least_products, start
from gmssl.parts.solvers.relabelling import on_cpu
from gmssl.problem import Multipliers, Problem

Bound: TypeAlias = Literal["best", "decomposition", "gilmore_lawler"]


@dataclass(frozen=True)
class Outset:
    """Of G problems.

    Attributes:
        floor: `[G]` float64, a lower bound, or −inf.
        multipliers: to climb from; None: zero.
    """

    floor: torch.Tensor
    multipliers: Multipliers | None


def outset(
    ascent: Ascent, problem: Problem, bound: Bound = "best", warm: bool = False, perhaps: torch.Tensor | None = None
) -> Outset:
    """What is known of G problems with n ≤ m, as the setting `bound` of `Lagrange` says; less if time is up.

    Args:
        ascent, problem, bound: as named.
        warm: there are multipliers already; no others are sought.
        perhaps: of `perhaps_products`, where a caller has asked for the whole batch; None: it is asked here.
    """
    graphs, device = len(problem.costs.vertex), problem.costs.vertex.device
    floor = torch.full((graphs,), -torch.inf, dtype=torch.float64, device="cpu")
    if bound != "best":
        places = []
    else:
        places = (perhaps_products(problem.costs.edge) if perhaps is None else perhaps).nonzero().flatten().tolist()
    if bound != "gilmore_lawler" and not places:
        return Outset(floor.to(device), None)
    here = on_cpu(problem)
    for g in places:
        products = products_of(here, g, ascent.stop)
        if products is not None:
            floor[g] = max(projected_eigenvalues(products), least_products(products))
    chosen = torch.isfinite(floor) | (bound == "gilmore_lawler")
    multipliers = start(ascent, here, chosen) if bool(chosen.any()) and not warm else None
    return Outset(floor.to(device), multipliers)
