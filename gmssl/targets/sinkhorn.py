"""Balanced assignments to prototypes: SwAV."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field

from gmssl.gathering import gathered, rank
from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Arrangement, Truth
from gmssl.lazy import torch
from gmssl.targets.functions import as_module


class Sinkhorn(Target):
    """The code of the other view: its scores, balanced so that all prototypes get the same share of the batch.

    Q ∝ exp(−c / ε) after `iterations` of Sinkhorn and Knopp, over the images of all ranks (SwAV, Caron et al. 2020,
    Eq. 3 to 5). The last step normalises rows, so that each is a distribution.
    """

    kind: ClassVar[str] = "sinkhorn"
    truth: ClassVar[Truth] = "learnt"
    reads_reference: ClassVar[bool] = True

    epsilon: float = Field(0.05, gt=0, description="weight of the entropy; the smaller, the harder the assignments")
    iterations: int = Field(3, ge=1)

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(partial(_balanced, self.epsilon, self.iterations))


def _balanced(epsilon: float, iterations: int, costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    logits = gathered(-costs / epsilon, 1)
    for _ in range(iterations):
        logits = logits - logits.logsumexp(1, keepdim=True)
        logits = logits - logits.logsumexp(2, keepdim=True)
    n = costs.shape[1]
    return logits[:, rank() * n : (rank() + 1) * n].exp()
