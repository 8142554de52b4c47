"""Graph builders choose the edges of a graph from its nodes; message passing mixes what neighbours hold."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.lazy import torch


class GraphBuilder(Part):
    """Chooses the edges of G graphs at once, the same number in each."""

    slot: ClassVar[str] = "graph"
    has_edges: ClassVar[bool] = True

    @abstractmethod
    def edges(self, nodes_GnD: torch.Tensor) -> torch.Tensor:
        """Directed edges `[G,E,2]` int64 (tail, head) of graphs with nodes `[G,n,D]`; no gradient flows."""


class MessagePassing(Part):
    """Settings of a module that is shared by both graphs.

    `reads_edges` says that the edges make a difference; `gmssl check` warns of graphs that nothing reads.
    """

    slot: ClassVar[str] = "message_passing"
    reads_edges: ClassVar[bool] = True

    @abstractmethod
    def build(self, channels: int) -> torch.nn.Module:
        """A module `(nodes [G,n,D], edges [G,E,2]) -> [G,n,D']` for `channels` = D input channels."""
