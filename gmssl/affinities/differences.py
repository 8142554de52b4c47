"""The vector that an edge stands for."""

from __future__ import annotations

from gmssl.lazy import torch


def differences(nodes_GnD: torch.Tensor, edges_GE2: torch.Tensor) -> torch.Tensor:
    """ẑ_i − ẑ_j for each edge (i, j), `[G,E,D]`."""
    channels = nodes_GnD.shape[2]
    tail, head = (nodes_GnD.gather(1, edges_GE2[..., end, None].expand(-1, -1, channels)) for end in (0, 1))
    return tail - head
