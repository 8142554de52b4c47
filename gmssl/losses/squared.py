"""Squared distance of matching and target."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.loss import Loss
from gmssl.lazy import torch
from gmssl.pairs import Matching
from gmssl.problem import Problem


class Squared(Loss):
    """L = Σ (x* + w (1 − x*)) (x − x*)² over the vertex pairs; w = `off_target` weighs the pairs that must not match.

    With `channels` and `unconstrained`, where x is the cross-correlation, this is Barlow Twins (Zbontar et al. 2021,
    Eq. 1), λ = w.
    """

    kind: ClassVar[str] = "squared"

    off_target: float = Field(1.0, ge=0, description="weight of pairs outside the target")

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from the vertex matching `[G,n,m]` and `problem.target`."""
        x, target = matching.vertex, problem.target
        assert target is not None, "the objective always sets a target"
        weight = target + self.off_target * (1 - target)
        return (weight * (x - target).square()).sum((1, 2))
