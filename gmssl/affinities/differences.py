"""The vector that an edge stands for."""

from __future__ import annotations

from gmssl.interfaces.affinity import Side
from gmssl.lazy import torch


def differences(side: Side) -> torch.Tensor:
    """ẑ_i − ẑ_j for each edge (i, j), `[G,E,D]`."""
    channels = side.nodes.shape[2]
    tail, head = (side.nodes.gather(1, side.edges[..., end, None].expand(-1, -1, channels)) for end in (0, 1))
    return tail - head
