"""Graphs without edges."""

from __future__ import annotations

from typing import ClassVar

from gmssl.interfaces.graph_builder import GraphBuilder
from gmssl.lazy import torch


class Edgeless(GraphBuilder):
    """No edges: matching becomes first-order (a linear assignment, or contrastive learning with a softmax)."""

    kind: ClassVar[str] = "edgeless"
    has_edges: ClassVar[bool] = False

    def edges(self, nodes_GnD: torch.Tensor) -> torch.Tensor:
        """An empty `[G,0,2]`."""
        return torch.empty(nodes_GnD.shape[0], 0, 2, dtype=torch.int64, device=nodes_GnD.device)
