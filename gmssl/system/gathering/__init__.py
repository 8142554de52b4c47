"""Tensors of all ranks, with gradients."""

from __future__ import annotations

from gmssl.lazy import torch


def ranks() -> int:
    """The number of processes that train together; 1 without torch.distributed."""
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process among them."""
    return torch.distributed.get_rank() if ranks() > 1 else 0


def gathered(tensor: torch.Tensor, dim: int = 0) -> torch.Tensor:
    """The tensors of all ranks in the order of ranks, concatenated along `dim`; every rank's must have the same shape.

    Backward adds up what all ranks ask of this rank's part. DDP then averages the gradients of weights over ranks. So a
    loss that every rank computes alike from gathered tensors, and the mean over ranks of losses that each computes from
    its own rows and gathered columns, both give the gradient of the one loss on the joint batch.
    """
    if ranks() == 1:
        return tensor
    from gmssl.system.gathering.all_gather import AllGather

    return torch.cat(AllGather.apply(tensor).unbind(0), dim)


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over ranks, without gradient."""
    if ranks() > 1:
        tensor = tensor.clone()
        torch.distributed.all_reduce(tensor)
    return tensor


def of_first_rank(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor of the first rank, on all ranks and without gradient."""
    if ranks() > 1:
        tensor = tensor.clone(memory_format=torch.contiguous_format)
        torch.distributed.broadcast(tensor, 0)
    return tensor
