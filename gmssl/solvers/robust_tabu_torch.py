"""Robust tabu search in batched torch operations: every start of every instance at once, on any device.

The search of `robust_tabu_numba`, written for reading: `gain` is computed afresh from the placement costs U in each
iteration, in vertex order. Two differences: all starts are independent (no recombination), and all run to the end.

Costs are rounded to int32, so that sums do not depend on their order, which scatter operations on a GPU leave open.

Letters beyond the package's: B = G·S searches, K the largest degree of a left vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from gmssl.problem import Problem
from gmssl.solvers.relabelling import restored, shuffled

NEVER = 2**31 - 1
NOTHING = 2**62


@dataclass(frozen=True)
class Tables:
    """Integer costs of G instances, n×n with dummy columns from m on.

    `single [G,n,n]`: placement. `neighbour [G,n,K]`: adjacent vertices, n where there are fewer than K.
    `pairs [G,n,K,n,n]`: cost of i at s with its neighbour at t. `banned [G,n,n]`: forbidden placements.
    """

    single: torch.Tensor
    neighbour: torch.Tensor
    pairs: torch.Tensor
    banned: torch.Tensor


def search(
    problem: Problem, starts: int, iterations: int, agree: int | None, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve G problems with n ≥ m; see `RobustTabu.search_in_torch`."""
    m = problem.costs.vertex.shape[2]
    again, rows, columns = shuffled(problem, seed)
    tables = _tables(again)
    where, feasible = _starts(tables, starts, seed)
    best, energies = _descend(tables, where, m, iterations, seed)
    lowest, index = energies.min(1)
    chosen = best.gather(1, index[:, None, None].expand(-1, 1, best.shape[2]))[:, 0]
    chosen = torch.where(feasible[:, None], restored(chosen, rows, columns), -1)
    same = (energies == lowest[:, None]).sum(1)
    return chosen, (same >= agree) if agree else torch.zeros_like(feasible)


def _tables(problem: Problem) -> Tables:
    costs, topology = problem.costs, problem.topology
    graphs, n, m = costs.vertex.shape
    left, right = topology.left, topology.right
    vertex, edge, penalty = _integers(problem)
    banned = torch.nn.functional.pad(~topology.allowed, (0, n - m))
    single = torch.nn.functional.pad(vertex, (0, n - m)) + penalty[:, None, None] * banned
    (i, k), (s, t) = left.unbind(2), right.unbind(2)
    adjacent = torch.zeros(graphs, n * n, dtype=torch.int32, device=left.device)
    for pair in (i * n + k, k * n + i):
        adjacent.scatter_add_(1, pair, (i != k).int())
    adjacent = adjacent.view(graphs, n, n) > 0
    degree = max(1, int(adjacent.sum(2).max()))
    slot = (adjacent.cumsum(2) - 1).flatten(1)
    listed = torch.where(adjacent, torch.arange(n, device=left.device).expand_as(adjacent), n)
    neighbour = listed.sort(2).values[:, :, :degree]
    pairs = torch.zeros(graphs, n * degree * n * n, dtype=torch.int32, device=left.device)
    proper = (i != k)[:, :, None] & (s != t)[:, None, :]
    for head, tail, ahead, behind in ((i, k, s, t), (k, i, t, s)):
        entry = head * degree + slot.gather(1, head * n + tail).clamp(min=0)
        place = entry[:, :, None] * (n * n) + (ahead * n + behind)[:, None, :]
        pairs.scatter_add_(1, place.flatten(1), (edge * proper).flatten(1))
    loops = (i == k)[:, :, None] & (s == t)[:, None, :]
    place = (i[:, :, None] * n + s[:, None, :]).flatten(1)
    single = single.flatten(1).scatter_add(1, place, (edge * loops).flatten(1))
    return Tables(single.view(graphs, n, n), neighbour, pairs.view(graphs, n, degree, n, n), banned)


def _integers(problem: Problem) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vertex and edge costs as int32 and the penalty of a forbidden placement; see `fold_numba.headroom`."""
    costs, (left, right) = problem.costs, (problem.topology.left, problem.topology.right)
    graphs, n, m = costs.vertex.shape
    largest = costs.vertex.abs().amax((1, 2)).double()
    if costs.edge.numel():
        largest = torch.maximum(largest, costs.edge.abs().amax((1, 2)).double())
    incident = torch.zeros(graphs, n, dtype=torch.int64, device=left.device)
    incident.scatter_add_(1, left.flatten(1), torch.ones_like(left).flatten(1))
    repeated = torch.zeros(graphs, m * m, dtype=torch.int64, device=left.device)
    flat = right[..., 0] * m + right[..., 1]
    repeated.scatter_add_(1, flat, torch.ones_like(flat))
    bound = 1 + incident.amax(1) * repeated.amax(1)
    masked = ~problem.topology.allowed.all(2).all(1)
    whole = (2**31 - 2) // (6 * bound * torch.where(masked, 3, 1))
    unit = torch.where(largest > 0, whole / torch.where(largest > 0, largest, 1), 1.0)[:, None, None]
    vertex, edge = (torch.round(x.double() * unit).int() for x in (costs.vertex, costs.edge))
    return vertex, edge, (2 * bound * whole * masked).int()


def _starts(tables: Tables, starts: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Starting assignments `[G,S,n]`, and whether the mask permits any `[G]`.

    The first is the linear assignment of the placements. The others are random: permutations where everything is
    allowed, else linear assignments of random costs.
    """
    banned = tables.banned.cpu().numpy()
    single = tables.single.cpu().numpy().astype(np.float64)
    graphs, n, _ = single.shape
    random = np.random.default_rng(seed)
    permutations = random.permuted(np.tile(np.arange(n), (starts, 1)), axis=1)
    noise = random.random((starts, n, n))
    where = np.tile(permutations, (graphs, 1, 1))
    feasible = np.ones(graphs, bool)
    for graph in range(graphs):
        try:
            where[graph, 0] = linear_sum_assignment(np.where(banned[graph], np.inf, single[graph]))[1]
        except ValueError:  # infeasible
            feasible[graph] = False
            continue
        for start in range(1, starts if banned[graph].any() else 1):
            where[graph, start] = linear_sum_assignment(np.where(banned[graph], np.inf, noise[start]))[1]
    device = tables.single.device
    return torch.from_numpy(where).to(device), torch.from_numpy(feasible).to(device)


class _Searches:
    """B searches in lockstep: assignments `where [B,n]`, placement costs `costs [B,n+1,n]` (the last row is waste)."""

    def __init__(self, tables: Tables, where: torch.Tensor) -> None:
        graphs, n, degree = tables.neighbour.shape
        self.n, self.degree, self.count = n, degree, where.shape[0]
        self.graph = torch.arange(self.count, device=where.device) // (self.count // graphs)
        self.neighbour = tables.neighbour[self.graph]
        self.banned = tables.banned[self.graph]
        self.pairs = tables.pairs.reshape(-1, n)  # one row of n costs per (graph, vertex, slot, location)
        self.where = where
        single = tables.single[self.graph]
        self.costs = torch.cat([single, torch.zeros_like(single[:, :1])], 1)
        rows = self._rows(torch.arange(n, device=where.device).expand_as(where), where[..., None])
        self.costs.scatter_add_(1, self.neighbour.flatten(1)[..., None].expand(-1, -1, n), rows.flatten(1, 2))
        twice = (single + self.costs[:, :n]).gather(2, where[..., None]).sum((1, 2), dtype=torch.int64)
        self.energy = twice // 2

    def _rows(self, vertex: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        """Costs that `vertex [B,v]` at `location [B,v,1 or K]` brings to its neighbours' placements, `[B,v,K,n]`."""
        slots = torch.arange(self.degree, device=vertex.device)
        entry = ((self.graph[:, None] * self.n + vertex)[..., None] * self.degree + slots) * self.n
        return self.pairs[entry + location]

    def gains(self) -> torch.Tensor:
        """Exact change of energy by each swap of two vertices, `[B,n,n]`."""
        n, where = self.n, self.where
        swapped = self.costs[:, :n].gather(2, where[:, None, :].expand(-1, n, -1))  # i at the place of k
        change = swapped - swapped.diagonal(dim1=1, dim2=2)[..., None]
        vertices = torch.arange(n, device=where.device).expand_as(where)
        there = torch.nn.functional.pad(where, (0, 1)).gather(1, self.neighbour.flatten(1)).view_as(self.neighbour)
        now = self._rows(vertices, where[..., None]).gather(3, there[..., None])[..., 0]
        exchanged = self._rows(vertices, there).gather(3, where[:, :, None, None].expand(-1, -1, self.degree, 1))[
            ..., 0
        ]
        corrections = torch.zeros(self.count, n, n + 1, dtype=change.dtype, device=change.device)
        corrections.scatter_add_(2, self.neighbour, now + exchanged)
        return change + change.transpose(1, 2) + corrections[..., :n]

    def swap(self, one: torch.Tensor, other: torch.Tensor, gain: torch.Tensor) -> None:
        """Swap two vertices `[B]` of each search; `one == other` leaves it as it is."""
        both = torch.stack([one, other], 1)
        old = self.where.gather(1, both)
        new = old.flip(1)
        rows = self._rows(both, new[..., None]) - self._rows(both, old[..., None])
        index = self.neighbour.gather(1, both[..., None].expand(-1, -1, self.degree)).flatten(1)
        self.costs.scatter_add_(1, index[..., None].expand(-1, -1, self.n), rows.flatten(1, 2))
        self.where = self.where.scatter(1, both, new)
        self.energy = self.energy + gain


def _descend(
    tables: Tables, where: torch.Tensor, m: int, iterations: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Best permitted assignments `[G,S,n]` of all searches and their energies `[G,S]` (NOTHING if none)."""
    graphs, starts, n = where.shape
    searches = _Searches(tables, where.flatten(0, 1))
    index = torch.arange(n * n, device=where.device)
    upper = torch.ones(n, n, dtype=torch.bool, device=where.device).triu(1)
    until = torch.zeros(graphs * starts, n, n, dtype=torch.int64, device=where.device)
    shortest, longest = max(1, 9 * n // 10), max(1, 9 * n // 10, 15 * n // 10)
    tenures = np.random.default_rng([seed, 1]).integers(shortest, longest + 1, (iterations, starts, 2))
    tenures_ISv = torch.from_numpy(tenures).to(where.device)
    best, level = searches.where, searches.energy
    kept = torch.where(_permitted(searches), searches.energy, NOTHING)
    for iteration in range(1, iterations + 1):
        real = searches.where < m
        placed = until.gather(2, searches.where[:, None, :].expand(-1, n, -1))
        tabu = torch.minimum(placed, placed.transpose(1, 2)) > iteration
        gains = searches.gains().long()
        possible = upper & (real[:, :, None] | real[:, None, :])
        possible &= ~tabu | (gains + searches.energy[:, None, None] < level[:, None, None])
        # Energy change and index in one number: the same minimum on every device, ties included.
        key = torch.where(possible, gains, NEVER).flatten(1) * (n * n) + index
        least = key.amin(1)
        move = least < NEVER * (n * n)
        pair = least % (n * n)
        one, other = torch.where(move, pair // n, 0), torch.where(move, pair % n, 0)
        both = torch.stack([one, other], 1)
        left = searches.where.gather(1, both)
        tenure = iteration + 1 + tenures_ISv[iteration - 1].repeat(graphs, 1)
        slot = both * n + left
        held = torch.where(move[:, None], tenure, until.flatten(1).gather(1, slot))
        until = until.flatten(1).scatter(1, slot, held).view_as(until)
        searches.swap(one, other, torch.where(move, least // (n * n), 0))
        level = torch.minimum(level, searches.energy)
        better = (searches.energy < kept) & _permitted(searches)
        kept = torch.where(better, searches.energy, kept)
        best = torch.where(better[:, None], searches.where, best)
    return best.view(graphs, starts, n), kept.view(graphs, starts)


def _permitted(searches: _Searches) -> torch.Tensor:
    return ~searches.banned.gather(2, searches.where[..., None]).any(2).any(1)
