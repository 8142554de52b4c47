"""The costs of `lagrange` as tables, and its bound, in batched torch operations. Letters are those of that file.

Every operation is elementwise, a minimum, or a sum in an order of its own: what an instance gets depends, to the bit,
neither on its batch nor on the kernels that torch picks for the size of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmssl.parts.solvers.assignment.lap import assign
from gmssl.problem import Multipliers, Problem


@dataclass(frozen=True)
class VertexPairs:
    """Pairs tail < head of left vertices; P and K are the largest numbers in the batch.

    Attributes:
        tail, head: `[G,P]`, in the order of the first edges; then, if wanted, those that are not adjacent.
        present: bool `[G,P]`, whether the instance has so many pairs.
        number: `[G,n,n]`, the place of a pair in that order, whichever of its vertices is named first.
        slots: `[G,n,K]`, the pairs of a vertex: p if it is the tail, P + p if it is the head, 2P where it has fewer.
    """

    tail: torch.Tensor
    head: torch.Tensor
    present: torch.Tensor
    number: torch.Tensor
    slots: torch.Tensor

    def incident(self, tails: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """Sums `[G,n,…]` over the pairs of each vertex, one after the other, of `tails` or `heads`, both `[G,P,…]`."""
        both = torch.cat([tails, heads, torch.zeros_like(heads[:, :1])], 1)
        result = rows_of(both, self.slots[:, :, 0])
        for slot in range(1, self.slots.shape[2]):
            result = result + rows_of(both, self.slots[:, :, slot])
        return result


@dataclass(frozen=True)
class Tables:
    """Costs of G instances with n ≤ m in float64, 0 where forbidden.

    Attributes:
        single, allowed: `[G,n,m]`, of vertices, self-loops included.
        double, permitted: `[G,P,m,m]`, what tail at s and head at t cost together.
        scale: `[G]`, root of the mean square of permitted `double`; the largest cost where that is 0.
    """

    single: torch.Tensor
    allowed: torch.Tensor
    double: torch.Tensor
    permitted: torch.Tensor
    scale: torch.Tensor


def total(x: torch.Tensor, dim: int) -> torch.Tensor:
    """The sum along one dimension, always in the same order; zeros appended to it change no bit."""
    while (size := x.shape[dim]) > 1:
        # Cut at powers of two: with zeros appended, the same numbers still meet in the same order.
        half = 1 << ((size - 1).bit_length() - 1)
        both = x.narrow(dim, 0, size - half) + x.narrow(dim, half, size - half)
        x = torch.cat([both, x.narrow(dim, size - half, 2 * half - size)], dim)
    return x.squeeze(dim)


def rows_of(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """`x[g, index[g, k]]` of `x [G,·,…]` and `index [G,k]`."""
    return x.take_along_dim(index.view(*index.shape, *[1] * (x.ndim - 2)), 1)


def list_pairs(left: torch.Tensor, n: int, every_pair: bool) -> VertexPairs:
    """The pairs of vertices with an edge in `left [G,E,2]`, or all; at least one row. Waits for the device once."""
    graphs, edges, _ = left.shape
    cells, step = torch.arange(n * n, device=left.device), torch.arange(edges, device=left.device)
    one, other = left.amin(2), left.amax(2)
    first = torch.full((graphs, n * n), edges, device=left.device)
    first.scatter_reduce_(1, one * n + other, torch.where(one < other, step, edges), "amin")
    upper, never = cells // n < cells % n, edges + n * n
    # Distinct numbers, so that sorting has no ties to break: by first edge, then what is not adjacent, then no pairs.
    rank = torch.where(first < edges, first, torch.where(upper & every_pair, edges, never) + cells)
    order = rank.argsort(1)
    adjacent = (rank < never).view(graphs, n, n)
    degree = adjacent.sum(1) + adjacent.sum(2)
    # At least one, of an empty batch, too.
    largest = (torch.nn.functional.pad(x, (0, 1), value=1).max() for x in (adjacent.sum((1, 2)), degree.flatten()))
    count, most = torch.stack(list(largest)).tolist()
    number = order.argsort(1).view(graphs, n, n)
    number = torch.where(upper.view(n, n), number, number.mT)
    as_head = ~upper.view(n, n)
    # Sorted by pair: the sums of a vertex run in this order in every batch.
    slot = torch.where(adjacent | adjacent.mT, 2 * number + as_head, 2 * n * n).sort(2).values[:, :, :most]
    slots = torch.where(slot < 2 * n * n, slot % 2 * count + slot // 2, 2 * count)
    order = order[:, :count]
    present = rank.gather(1, order) < never
    tail, head = torch.where(present, order // n, 0), torch.where(present, order % n, 0)
    return VertexPairs(tail, head, present, number, slots)


def tabulate(problem: Problem, pairs: VertexPairs) -> Tables:
    """Fold the costs of G problems with n ≤ m."""
    allowed = problem.topology.allowed
    own = ~torch.eye(allowed.shape[2], dtype=torch.bool, device=allowed.device)
    permitted = rows_of(allowed, pairs.tail)[..., None] & rows_of(allowed, pairs.head)[..., None, :] & own
    permitted &= pairs.present[..., None, None]
    single, double = _folded(problem, pairs)
    single, double = torch.where(allowed, single, 0), torch.where(permitted, double, 0)
    return Tables(single, allowed, double, permitted, _scale(single, double, permitted))


def _folded(problem: Problem, pairs: VertexPairs) -> tuple[torch.Tensor, torch.Tensor]:
    """`single` and `double` of `Tables`, not yet masked.

    Edges come one by one: several may meet in one cell, and a scatter of all of them would add in any order.
    """
    vertex, edge = problem.costs.vertex.double(), problem.costs.edge.double()
    (i, j), (s, t) = problem.topology.left.unbind(2), problem.topology.right.unbind(2)
    (graphs, n, m), edges, count = vertex.shape, edge.shape[1], pairs.tail.shape[1]
    table = edge.new_zeros(graphs, edges, m * m)
    for f in range(edge.shape[2]):
        table.scatter_add_(2, (s * m + t)[:, f, None, None].expand(-1, edges, 1), edge[:, :, f : f + 1])
    table = table.view(graphs, edges, m, m)
    forward = torch.where((i < j)[..., None, None], table, table.mT)
    # The last row of either takes what belongs to the other.
    single, double = torch.nn.functional.pad(vertex, (0, 0, 0, 1)), edge.new_zeros(graphs, count + 1, m, m)
    place = torch.where(i == j, i, n)
    pair = torch.where(i == j, count, pairs.number.flatten(1).gather(1, i * n + j))
    for e in range(edges):
        loop = table[:, e : e + 1].diagonal(dim1=2, dim2=3)
        single.scatter_add_(1, place[:, e, None, None].expand(-1, 1, m), loop)
        double.scatter_add_(1, pair[:, e, None, None, None].expand(-1, 1, m, m), forward[:, e : e + 1])
    return single[:, :n], double[:, :count]


def _scale(single: torch.Tensor, double: torch.Tensor, permitted: torch.Tensor) -> torch.Tensor:
    largest = torch.maximum(single.abs().amax((1, 2)), double.abs().amax((1, 2, 3)))
    unit = torch.where(largest > 0, largest, 1)
    # Divided by the largest first: squares could overflow or vanish.
    mean = _all((double / unit[:, None, None, None]).square()) / permitted.sum((1, 2, 3)).clamp(min=1)
    return torch.where(mean > 0, unit * mean.sqrt(), unit)


def _all(x: torch.Tensor) -> torch.Tensor:
    return total(total(total(x, 3), 2), 1)


def bound_of(pairs: VertexPairs, tables: Tables, multipliers: Multipliers) -> tuple[torch.Tensor, torch.Tensor]:
    """The lower bound `[G]` in float64, +inf if no matching is allowed, and its assignment `[G,n]`.

    Args:
        pairs, tables: of one batch.
        multipliers: `tail, head [G,P,m]`, `capacity [G,n,m,m]`, ≥ 0, and 0 for s = t; in units of `tables.scale`.
    """
    scale = tables.scale[:, None, None]
    alpha, beta, capacity = (x.double() for x in (multipliers.tail, multipliers.head, multipliers.capacity))
    reduced = tables.single + scale * (pairs.incident(alpha, beta) - total(capacity, 3))
    gradient = tables.double + scale[..., None] * slope(pairs, alpha, beta, capacity)
    least = torch.where(tables.permitted, gradient, torch.inf).amin((2, 3))
    columns = assign(reduced, tables.allowed)
    chosen = total(reduced.gather(2, columns.clamp(min=0)[..., None])[..., 0], 1)
    bound = chosen + total(torch.where(pairs.present, least, 0), 1)
    return torch.where((columns < 0).any(1), torch.inf, bound), columns


def slope(pairs: VertexPairs, alpha: torch.Tensor, beta: torch.Tensor, capacity: torch.Tensor) -> torch.Tensor:
    """What multipliers add to the costs of y, `[G,P,m,m]`."""
    moved = rows_of(capacity, pairs.tail) + rows_of(capacity, pairs.head).mT
    return moved - alpha[..., None] - beta[..., None, :]


def energy_of(pairs: VertexPairs, tables: Tables, columns: torch.Tensor) -> torch.Tensor:
    """Energies `[G]` of assignments `[G,n]` in float64; +inf where they are forbidden."""
    m = tables.single.shape[2]
    place = columns.clamp(0, m - 1)[..., None]
    row, column = rows_of(place, pairs.tail), rows_of(place, pairs.head)
    legal = (columns == place[..., 0]) & tables.allowed.gather(2, place)[..., 0]
    cell = row * m + column
    single, double = tables.single.gather(2, place)[..., 0], tables.double.flatten(2).gather(2, cell)[..., 0]
    apart = (tables.permitted.flatten(2).gather(2, cell)[..., 0] | ~pairs.present).all(1)
    return torch.where(legal.all(1) & apart, total(single, 1) + total(double, 1), torch.inf)
