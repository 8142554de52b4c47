"""Graph builders choose the edges of a graph from its nodes."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.lazy import torch
from gmssl.parts import Part


class GraphBuilder(Part):
    """Edges of G graphs at once, the same number in each."""

    slot: ClassVar[str] = "graph"
    has_edges: ClassVar[bool] = True

    @abstractmethod
    def edges(self, nodes_GnD: torch.Tensor) -> torch.Tensor:
        """Directed edges `[G,E,2]` int64 (tail, head) of graphs with nodes `[G,n,D]`; no gradient flows."""
