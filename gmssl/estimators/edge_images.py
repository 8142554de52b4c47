"""Upon which right edge a one-to-one matching lays each left edge, without looking at all pairs of edges."""

from __future__ import annotations

from gmssl.energy import lift
from gmssl.lazy import torch
from gmssl.pairs import Matching, Pairs
from gmssl.topology import Topology


def assigned(matching: torch.Tensor) -> torch.Tensor:
    """The column of each row of a 0/1 matching `[G,n,m]`, `[G,n]`; m where a row stays unmatched."""
    taken, column = matching.max(2)
    return torch.where(taken > 0, column, matching.shape[2])


def copies(topology: Topology, m: int) -> torch.Tensor:
    """The largest number of equal right edges, `[G]` int64; 1 in a kNN graph."""
    name = _right_names(topology, m)
    count = name.new_zeros(len(name), (m + 1) ** 2)
    return count.scatter_add_(1, name, torch.ones_like(name)).amax(1)


def places(topology: Topology, m: int) -> torch.Tensor:
    """The right edge from s to t for s and t in 0 … m (m: no vertex), `[G,m+1,m+1]`; F if none, any of equal ones."""
    name = _right_names(topology, m)
    graphs, count = name.shape
    number = torch.arange(count, device=name.device).expand(graphs, count)
    table = name.new_full((graphs, (m + 1) ** 2), count)
    return table.scatter_(1, name, number).view(graphs, m + 1, m + 1)


def images(columns: torch.Tensor, topology: Topology, m: int) -> torch.Tensor:
    """The right edge upon which `columns [G,n]` lay each left edge, `[G,E]`; F if none."""
    tails, heads = (columns.gather(1, topology.left[..., end]) for end in (0, 1))
    return places(topology, m).flatten(1).gather(1, tails * (m + 1) + heads)


def lifted(matching: torch.Tensor, topology: Topology) -> Matching:
    """`gmssl.energy.lift` of a 0/1 matching `[G,n,m]`; on the CPU in the time of writing the result."""
    if matching.device.type != "cpu" or matching.dtype not in (torch.float32, torch.float64):
        return lift(matching, topology)
    from gmssl.estimators.certificate_numba import lay

    edge = matching.new_zeros(len(matching), topology.left.shape[1], topology.right.shape[1])
    left, right, columns = (x.contiguous().numpy() for x in (topology.left, topology.right, assigned(matching)))
    lay(left, right, columns, matching.shape[2], edge.numpy())
    return Pairs(matching, edge)


def _right_names(topology: Topology, m: int) -> torch.Tensor:
    """A number below (m + 1)² for each right edge, `[G,F]`."""
    return topology.right[..., 0] * (m + 1) + topology.right[..., 1]
