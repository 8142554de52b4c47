"""Graph builders: which nodes of a graph are joined by edges."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.graph import GraphBuilder
from gmssl.lazy import torch


class Edgeless(GraphBuilder):
    """No edges: matching becomes first-order (a linear assignment, or contrastive learning with a softmax)."""

    kind: ClassVar[str] = "edgeless"
    has_edges: ClassVar[bool] = False

    def edges(self, nodes_GnD: torch.Tensor) -> torch.Tensor:
        """No edges, `[G,0,2]`."""
        return torch.empty(nodes_GnD.shape[0], 0, 2, dtype=torch.int64, device=nodes_GnD.device)


class Knn(GraphBuilder):
    """An edge from each node to its k nearest other nodes (LVM-Med, step 3: k = 5), E = n·min(k, n−1).

    Euclidean distances are the paper's; on normalised embeddings both metrics choose the same neighbours.
    """

    kind: ClassVar[str] = "knn"

    neighbours: int = Field(5, ge=1)
    metric: Literal["euclidean", "cosine"] = "euclidean"

    def edges(self, nodes_GnD: torch.Tensor) -> torch.Tensor:
        """Edges `[G,E,2]` (node, neighbour), ordered by node and by distance."""
        nodes = nodes_GnD.detach().float()
        graphs, n, _ = nodes.shape
        if self.metric == "cosine":
            nodes = torch.nn.functional.normalize(nodes, dim=2)
        distances = torch.cdist(nodes, nodes)
        distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
        near = distances.topk(min(self.neighbours, n - 1), dim=2, largest=False).indices
        tails = torch.arange(n, device=nodes.device)[None, :, None].expand_as(near)
        return torch.stack((tails, near), dim=3).reshape(graphs, -1, 2)
