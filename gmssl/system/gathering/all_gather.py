"""The autograd function behind `gmssl.system.gathering.gathered`."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


class AllGather(torch.autograd.Function):
    """`[...]` of this rank to `[W,...]` of all; backward sums what all ranks ask of this one's part.

    torch.distributed.nn has such a function, which is deprecated, and with gloo reads gradients as if they were
    contiguous, which those of a transposed product are not.
    """

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:
        """Gather the tensors of all ranks."""
        found = tensor.new_empty(distributed.get_world_size(), *tensor.shape)
        distributed.all_gather(list(found.unbind(0)), tensor.contiguous())
        return found

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        """Sum over ranks and take this rank's part; it is one all-reduce, because gloo knows no reduce-scatter."""
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total[distributed.get_rank()]
