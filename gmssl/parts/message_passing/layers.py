"""The modules behind the message-passing parts: PyG layers on a batch of graphs laid out as one disjoint graph."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch_geometric.nn import GCNConv, GraphConv


class Identity(nn.Module):
    """Nodes as they came."""

    def forward(self, nodes_GnD: torch.Tensor, edges_GE2: torch.Tensor) -> torch.Tensor:
        """`nodes_GnD`."""
        return nodes_GnD


def flat_edges(edges_GE2: torch.Tensor, n: int) -> torch.Tensor:
    """PyG's `edge_index [2, G·E]` of the disjoint union.

    An edge (i, j) of a kNN graph says that j is a neighbour of i, so the message runs from j to i: PyG's first row is
    the source.
    """
    offsets = torch.arange(edges_GE2.shape[0], device=edges_GE2.device)[:, None, None] * n
    return (edges_GE2 + offsets).flatten(0, 1).T.flip(0)


class _Stack(nn.Module):
    """Layers with ReLU between them; with `residual`, each layer's input is added to its output.

    Where a layer changes the width, the residual passes through a linear map without bias.
    """

    def __init__(self, make: Callable[[int, int], nn.Module], channels: int, width: int, layers: int, residual: bool):
        super().__init__()
        widths = [channels] + [width] * layers
        self.layers = nn.ModuleList(make(a, b) for a, b in pairwise(widths))
        skips = (nn.Identity() if a == b else nn.Linear(a, b, bias=False) for a, b in pairwise(widths))
        self.skips = nn.ModuleList(skips) if residual else None

    def _run(
        self,
        nodes_GnD: torch.Tensor,
        apply: Callable[[nn.Module, torch.Tensor], torch.Tensor],
        between: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        graphs, n, _ = nodes_GnD.shape
        x = nodes_GnD.flatten(0, 1)
        for number, layer in enumerate(self.layers):
            y = apply(layer, x)
            if number + 1 < len(self.layers):
                y = between(y)
            x = y if self.skips is None else y + self.skips[number](x)
        return x.view(graphs, n, -1)


class GcnStack(_Stack):
    """See `gmssl.parts.message_passing.convolutions`."""

    def __init__(self, channels: int, width: int, layers: int, count_self_loop: bool, residual: bool) -> None:
        super().__init__(lambda a, b: GCNConv(a, b, normalize=False, bias=False), channels, width, layers, residual)
        self.count_self_loop = count_self_loop

    def forward(self, nodes_GnD: torch.Tensor, edges_GE2: torch.Tensor) -> torch.Tensor:
        """`[G,n,width]`."""
        n, total = nodes_GnD.shape[1], nodes_GnD.shape[0] * nodes_GnD.shape[1]
        index, weight = self._normalised(flat_edges(edges_GE2, n), total, nodes_GnD.dtype)
        return self._run(nodes_GnD, lambda layer, x: layer(x, index, weight), torch.relu)

    def _normalised(self, index: torch.Tensor, nodes: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """A + I, and the weights (D_i D_j)^-1/2 with D the in-degree, counted with or without the self loop.

        kNN graphs are directed: D counts the edges a node receives messages by, which is PyG's own rule. A node without
        any edge keeps weight 1 on its self loop.
        """
        loops = torch.arange(nodes, device=index.device)
        with_loops = torch.cat((index, loops.expand(2, -1)), 1)
        counted = with_loops if self.count_self_loop else index
        degree = torch.zeros(nodes, dtype=dtype, device=index.device)
        degree.index_add_(0, counted[1], torch.ones(counted.shape[1], dtype=dtype, device=index.device))
        scale = degree.clamp(min=1).rsqrt()
        return with_loops, scale[with_loops[0]] * scale[with_loops[1]]


class GraphConvStack(_Stack):
    """See `gmssl.parts.message_passing.convolutions`."""

    def __init__(self, channels: int, width: int, layers: int, dropout: float, residual: bool) -> None:
        super().__init__(GraphConv, channels, width, layers, residual)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes_GnD: torch.Tensor, edges_GE2: torch.Tensor) -> torch.Tensor:
        """`[G,n,width]`."""
        index = flat_edges(edges_GE2, nodes_GnD.shape[1])
        return self._run(nodes_GnD, lambda layer, x: layer(x, index), lambda x: self.dropout(torch.relu(x)))
