"""The Hamming loss of LVM-Med (Eq. 5)."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.loss import Loss
from gmssl.lazy import torch
from gmssl.pairs import Matching
from gmssl.problem import Problem


class Hamming(Loss):
    """L = Σ x(1 − x*) + x*(1 − x) over the vertex pairs, in `[0, 2·min(n, m)]` for matchings.

    Twice the number of wrong nodes if both are permutations. Linear in x, so that the upstream gradient 1 − 2x* does
    not depend on the solution.
    """

    kind: ClassVar[str] = "hamming"

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from the vertex matching `[G,n,m]` and `problem.target`."""
        x, target = matching.vertex, problem.target
        assert target is not None, "the objective always sets a target"
        return (x * (1 - target) + target * (1 - x)).sum((1, 2))
