"""The affinity matrix that pygmtools maximises over: Lawler's K, from costs."""

from __future__ import annotations

from gmssl.lazy import torch
from gmssl.problem import Problem


def affinity_matrix(problem: Problem) -> torch.Tensor:
    """K with x'Kx = −energy(x) for every matching x, symmetric, `[G,n·m,n·m]` float64.

    The pair (i, s) has index s·n + i: pygmtools vectorises matchings column by column. Entries that no matching of
    allowed pairs can use are 0: those of forbidden pairs, and of two pairs that share a row or a column. Edges in
    both directions, duplicates and self-loops add up in their entries.
    """
    costs, topology = problem.costs, problem.topology
    graphs, n, m = costs.vertex.shape
    size = n * m
    tail, head = (_pairs(topology.left[..., end], topology.right[..., end], n) for end in (0, 1))
    matrix = torch.zeros(graphs, size * size, dtype=torch.float64, device=costs.vertex.device)
    matrix.scatter_add_(1, tail * size + head, -costs.edge.double().flatten(1))
    matrix = matrix.view(graphs, size, size)
    matrix.diagonal(dim1=1, dim2=2).sub_(costs.vertex.double().transpose(1, 2).flatten(1))
    matrix = (matrix + matrix.transpose(1, 2)).div_(2)
    return matrix.masked_fill_(~usable(topology.allowed), 0.0)


def usable(allowed: torch.Tensor) -> torch.Tensor:
    """Which entries of K a matching of `allowed [G,n,m]` pairs can use, bool `[G,n·m,n·m]`."""
    n, m = allowed.shape[1:]
    pair = torch.arange(n * m, device=allowed.device)
    row, column = pair % n, pair // n
    together = (row[:, None] != row) & (column[:, None] != column) | (pair[:, None] == pair)
    open_ = allowed.transpose(1, 2).flatten(1)
    return together & open_[:, :, None] & open_[:, None, :]


def raised(matrix: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """K for methods that need it non-negative, in [0, 1]: random walks and leading eigenvectors.

    A complete matching of k = min(n, m) pairs uses k entries of the diagonal and k(k − 1) others, all of them usable.
    So a constant on the usable diagonal, another on all other usable entries, and a positive factor change x'Kx by the
    same for every complete matching, and leave its order. The constants make the least entries 0; one part in a
    thousand more keeps every usable entry positive, so that no usable row sums to 0 when costs are equal.

    Args:
        matrix: from `affinity_matrix`, `[G,n·m,n·m]`.
        allowed: bool `[G,n,m]`.
    """
    unusable = ~usable(allowed)
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    least_pair = diagonal.masked_fill(unusable.diagonal(dim1=1, dim2=2), torch.inf).amin(1)[:, None, None]
    others = matrix.masked_fill(unusable, torch.inf)
    others.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    least = others.amin((1, 2), keepdim=True)
    lifted = matrix - torch.where(least.isfinite(), least, 0.0)  # infinite where a matching has one pair only
    lifted.diagonal(dim1=1, dim2=2).copy_(diagonal - least_pair[:, :, 0])
    lifted.masked_fill_(unusable, 0.0)
    largest = lifted.amax((1, 2), keepdim=True)
    lifted.div_(torch.where(largest > 0, largest, 1.0)).add_(1e-3).div_(1 + 1e-3)
    return lifted.masked_fill_(unusable, 0.0)


def _pairs(left: torch.Tensor, right: torch.Tensor, n: int) -> torch.Tensor:
    """Indices in K of all pairs of vertices `left [G,E]` and `right [G,F]`, `[G,E·F]`."""
    return (right[:, None, :] * n + left[:, :, None]).flatten(1)
