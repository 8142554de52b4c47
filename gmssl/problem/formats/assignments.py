"""A matching problem as lists of assignments and of pairs of them, as dd files hold it: Lawler's problem, sparse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from gmssl.lazy import numpy, torch
from gmssl.problem.formats.text import refuse_too_large
from gmssl.problem.problem import Problem


@dataclass(frozen=True)
class Assignments:
    """Minimise Σ cost over the chosen assignments and Σ pair_cost over the pairs of which both are chosen.

    Attributes:
        n, m: numbers of vertices of both sides.
        left, right: vertices of A assignments, each pair of vertices at most once; all others are forbidden. `[A]`
        cost: `[A]` float64.
        pairs: places of two assignments each, `[2,K]`; pairs may be repeated, and their costs add up.
        pair_cost: `[K]` float64.
    """

    n: int
    m: int
    left: numpy.ndarray
    right: numpy.ndarray
    cost: numpy.ndarray
    pairs: numpy.ndarray
    pair_cost: numpy.ndarray

    def problem(self) -> Problem:
        """A partial problem, G = 1, whose left edges are the pairs i < j of vertices that occur in pairs.

        Pairs of two assignments of one vertex are dropped, since no matching holds both.

        Raises:
            ProblemError: there are more costs than a dense tensor may hold.
        """
        n, m, i, s = self.n, self.m, self.left, self.right
        refuse_too_large(n * m, f"{n}×{m} vertex pairs")
        vertex, allowed = numpy.zeros((n, m)), numpy.zeros((n, m), bool)
        vertex[i, s], allowed[i, s] = self.cost, True
        one, other = self.pairs
        same = one == other  # both are chosen where one is
        numpy.add.at(vertex, (i[one[same]], s[one[same]]), self.pair_cost[same])
        keep = (i[one] != i[other]) & (s[one] != s[other])
        one, other, cost = one[keep], other[keep], self.pair_cost[keep]
        tail, head = numpy.where(i[one] < i[other], (one, other), (other, one))
        lefts, row = numpy.unique(i[tail] * n + i[head], return_inverse=True)
        rights, column = numpy.unique(s[tail] * m + s[head], return_inverse=True)
        refuse_too_large(len(lefts) * len(rights), f"costs of {len(lefts)}×{len(rights)} edge pairs")
        edge = numpy.zeros((len(lefts), len(rights)))
        numpy.add.at(edge, (row, column), cost)
        return Problem.build(
            torch.from_numpy(vertex)[None],
            torch.from_numpy(numpy.stack([lefts // n, lefts % n], 1))[None],
            torch.from_numpy(numpy.stack([rights // m, rights % m], 1))[None],
            torch.from_numpy(edge)[None],
            allowed=torch.from_numpy(allowed)[None],
            partial=True,
        )

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """The lists of a problem of G = 1: allowed pairs in the order of rows, edge pairs of cost not zero merged."""
        costs, topology = problem.costs, problem.topology
        vertex, edge = (x[0].detach().cpu().double().numpy().copy() for x in (costs.vertex, costs.edge))
        lefts, rights, allowed = (x[0].cpu().numpy() for x in (topology.left, topology.right, topology.allowed))
        n, m = vertex.shape
        e, f = edge.nonzero()
        (i, j), (s, t), cost = lefts[e].T, rights[f].T, edge[e, f]
        loop = (i == j) & (s == t)
        numpy.add.at(vertex, (i[loop], s[loop]), cost[loop])
        number = numpy.where(allowed, allowed.cumsum().reshape(n, m) - 1, -1)
        one, other = number[i, s], number[j, t]
        keep = (i != j) & (s != t) & (one >= 0) & (other >= 0)
        low, high = numpy.minimum(one, other)[keep], numpy.maximum(one, other)[keep]
        keys, place = numpy.unique(low * (n * m) + high, return_inverse=True)
        total = numpy.zeros(len(keys))
        numpy.add.at(total, place, cost[keep])
        left, right = allowed.nonzero()
        return cls(n, m, left, right, vertex[left, right], numpy.stack(numpy.divmod(keys, n * m)), total)
