"""Negative log-likelihood of the target under the matching."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.loss import Loss
from gmssl.lazy import torch
from gmssl.pairs import Matching
from gmssl.problem import Problem


class Likelihood(Loss):
    """L = −Σ_is x*_is log x_is / Σ_is x*_is: cross-entropy of rows that are distributions, mean over rows.

    With `row_softmax` this is NT-Xent (SimCLR), InfoNCE (MoCo), and the swapped prediction of SwAV and DINO.
    """

    kind: ClassVar[str] = "likelihood"

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from the vertex matching `[G,n,m]` and `problem.target`."""
        x, target = matching.vertex, problem.target
        assert target is not None, "the objective always sets a target"
        # A probability that has underflowed costs some 87 (float32), and not infinity times zero.
        logs = x.clamp(min=torch.finfo(x.dtype).tiny).log()
        return -(target * logs).sum((1, 2)) / target.sum((1, 2))
