"""The autograd function behind `forward.Sampling.match`: a matching forward, an estimator's gradient backward."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from gmssl.problem import BackwardRecord, Pairs


def with_gradient(costs: Pairs, mean: Pairs, backward: Callable[[Pairs], Pairs], record: BackwardRecord) -> Pairs:
    """The values of `mean`, as a function of `costs` whose ∂L/∂c is `backward(∂L/∂z)`; `record` counts its seconds."""
    return Pairs(*_Match.apply(costs.vertex, costs.edge, mean, backward, record))


class _Match(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        vertex: torch.Tensor,
        edge: torch.Tensor,
        mean: Pairs,
        backward: Callable[[Pairs], Pairs],
        record: BackwardRecord,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.state = (backward, record)
        return mean.vertex.clone(), mean.edge.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, vertex: torch.Tensor, edge: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        start = perf_counter()
        backward, record = ctx.state
        # A loss may be sent back under autocast; products of matrices there would be of half precision.
        with torch.autocast(vertex.device.type, enabled=False):
            gradient = backward(Pairs(vertex, edge))
        record.seconds += perf_counter() - start
        return gradient.vertex, gradient.edge, None, None, None
