"""The energy of the matching itself."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gmssl.energy import energy
from gmssl.interfaces.loss import Loss
from gmssl.lazy import torch
from gmssl.pairs import Matching
from gmssl.problem import Problem


class Energy(Loss):
    """L = ⟨c, x⟩ / n: what the matching costs a row in the mean. Its gradient reaches the costs directly.

    With the solver `given` it is the invariance term of VICReg and the prediction loss of BYOL. Where rows may stay
    unmatched, `per: pair` divides by the number of matched pairs Σ x instead.
    """

    kind: ClassVar[str] = "energy"
    reads_costs: ClassVar[bool] = True

    per: Literal["row", "pair"] = Field("row", description="mean over all rows, or over matched pairs only")

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from costs and matching of vertices and edges."""
        if self.per == "row":
            return energy(problem.costs, matching) / matching.vertex.shape[1]
        pairs = matching.vertex.sum((1, 2))
        return energy(problem.costs, matching) / pairs.clamp(min=torch.finfo(pairs.dtype).tiny)
