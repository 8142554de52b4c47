"""Robust tabu search in batched torch operations: every start of every instance at once, on any device.

The search of `search_numba`, written for reading and equal to it bit by bit: the same integer costs, the same
random numbers, the same choice among equal swaps. `gain` is computed afresh from the placement costs U in each
iteration, in vertex order. Starts run to the end even where the agreement rule makes them needless; they do not count.

Costs are rounded to int32, so that sums do not depend on their order, which scatter operations on a GPU leave open.

Letters beyond the package's: B = G·S searches, K the largest degree of a left vertex.
"""

from __future__ import annotations

import numpy as np
import torch

from gmssl.parts.solvers.assignment.lap_numba import assign
from gmssl.parts.solvers.kernels import simd_numba
from gmssl.parts.solvers.kernels.fold_torch import Tables, tabulate
from gmssl.parts.solvers.kernels.random_torch import below, scatter_seed, shuffle, streams
from gmssl.parts.solvers.relabelling import restored
from gmssl.parts.solvers.tabu import search_numba as robust_tabu_numba
from gmssl.parts.solvers.tabu.starts_numba import recombines, waves
from gmssl.problem import Problem

NEVER, LANES = int(simd_numba.NEVER), simd_numba.LANES
NOTHING = int(robust_tabu_numba.NOTHING)
FOREVER = 2**31 - 1  # tabu: a blank at a dummy, see `search_numba`


def search(
    problem: Problem, starts: int, iterations: int, agree: int, seed: int, stop: np.ndarray | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Solve G problems with n ≥ m; see `RobustTabu.search_in_torch`. Anything but 0 in `stop [1]` ends it early."""
    _, n, m = problem.costs.vertex.shape
    states, rename = shuffle(scatter_seed(seed, problem.costs.vertex), n)
    seeds, renames = shuffle(states, m)
    tables = tabulate(problem, rename, renames)
    best = torch.empty(len(seeds), 0, n, dtype=torch.int64, device=seeds.device)
    energies = torch.empty(len(seeds), 0, dtype=torch.int64, device=seeds.device)
    # All starts without parents are one wave: batched operations cost by their number, hardly by their width.
    for lo, hi in waves(n, starts, starts):
        if lo and _raised(stop):
            break
        numbers = torch.arange(lo, hi, device=seeds.device)
        states_GS = streams(seeds, numbers)
        if recombines(lo, n, starts):
            states_GS, where, feasible = _begin(tables, states_GS, numbers, best, energies)
        else:
            states_GS, where, feasible = _begin(tables, states_GS, numbers)
        found, energy = _descend(tables, where, m, iterations, states_GS, stop)
        best = torch.cat([best, found], 1)
        energies = torch.cat([energies, torch.where(feasible, energy, NOTHING)], 1)
    first, lowest, agreed = _agreement(energies, agree)
    if _raised(stop):  # searches that were cut short ended nowhere by themselves
        agreed = torch.zeros_like(agreed)
    chosen = best.gather(1, first[:, None, None].expand(-1, 1, n))[:, 0]
    chosen = restored(chosen, rename.argsort(1), renames.argsort(1))
    return torch.where((lowest < NOTHING)[:, None], chosen, -1), agreed


def _raised(stop: np.ndarray | None) -> bool:
    return stop is not None and bool(stop[0])


def _agreement(energies: torch.Tensor, agree: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The best among the starts up to the one at which `agree` share the best energy.

    Returns:
        The first start that has it and the energy, `[G]`, and whether the rule applied.
    """
    lowest = energies[:, 0]
    first, same = torch.zeros_like(lowest), torch.ones_like(lowest)
    agreed = torch.zeros_like(lowest, dtype=torch.bool)
    for start in range(1, energies.shape[1]):
        found = torch.where(agreed, NOTHING, energies[:, start])
        same = torch.where(found < lowest, 1, same + (found == lowest))
        first = torch.where(found < lowest, start, first)
        lowest = torch.minimum(lowest, found)
        agreed |= (same == agree) & (lowest < NOTHING)
    return first, lowest, agreed


def _begin(
    tables: Tables,
    states: torch.Tensor,
    numbers: torch.Tensor,
    best: torch.Tensor | None = None,
    energies: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where the starts `numbers [S]` begin.

    Start 0 is the linear assignment of the placements. The others are random: permutations where everything is allowed,
    which recombine two of the earlier results if these are given; else linear assignments of random costs.

    Returns:
        The states `[G,S]` after all draws, assignments `[G,S,n]`, and whether the mask permits any, `[G,S]`.
    """
    n, first, masked = tables.single.shape[1], numbers == 0, tables.banned.flatten(1).any(1)
    shuffled, where = (x.view(*states.shape, *x.shape[1:]) for x in shuffle(states.flatten(), n))
    if best is not None and energies is not None:
        shuffled, where = _recombine(shuffled, where, best, energies)
    drawn, costs = states, []
    # One draw after the other, row by row: the stream of the compiled loops.
    for _ in range(n * n if bool(masked.any()) else 0):
        drawn, cost = below(drawn, 1 << 30)
        costs.append(cost)
    noise = torch.stack(costs, 2).view(*states.shape, n, n) if costs else tables.single[:, None]
    costs_GSnn = torch.where(first[:, None, None], tables.single[:, None], noise)
    by_costs = first | masked[:, None]
    assigned, feasible = _assigned(costs_GSnn, tables.banned, by_costs)
    # Each instance goes on behind the draws of its own case, whatever the others of the batch needed.
    states = torch.where(first, states, torch.where(masked[:, None], drawn, shuffled))
    return states, torch.where(by_costs[:, :, None], assigned, where), feasible


def _assigned(costs: torch.Tensor, banned: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Linear assignments `[G,S,n]` of costs `[G,S,n,n]` where `wanted [G,S]`, and whether there is one; on the host."""
    # The compiled routine itself: another one would choose otherwise among ties.
    forbidden, given = banned.cpu().numpy(), costs.double().cpu().numpy()
    columns, feasible = np.zeros(given.shape[:3], np.int64), np.ones(given.shape[:2], bool)
    for g, s in wanted.nonzero().tolist():
        feasible[g, s] = assign(np.where(forbidden[g], np.inf, given[g, s]), columns[g, s])
        if not feasible[g, s]:
            columns[g, s] = np.arange(given.shape[2])  # anything: it does not count
    return torch.from_numpy(columns).to(costs.device), torch.from_numpy(feasible).to(costs.device)


def _recombine(
    states: torch.Tensor, where: torch.Tensor, best: torch.Tensor, energies: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keep what two elites of `best [G,S,n]` have in common; the rest stays in the random order of `where [G,1,n]`."""
    parents = []
    for _ in range(2):
        states, one = below(states, energies.shape[1])
        states, other = below(states, energies.shape[1])
        better = energies.gather(1, one) <= energies.gather(1, other)
        elite = torch.where(better, one, other)[:, :, None].expand(-1, -1, where.shape[2])
        parents.append(best.gather(1, elite))
    common = parents[0] == parents[1]
    taken = torch.zeros_like(common).scatter_(2, parents[0], common)
    pool = where.gather(2, taken.gather(2, where).int().sort(dim=2, stable=True).indices)  # free locations come first
    rest = pool.gather(2, ((~common).cumsum(2) - 1).clamp(min=0))
    return states, torch.where(common, parents[0], rest)


class _Searches:
    """B searches in lockstep: assignments `where [B,n]`, placement costs `costs [B,n+1,n]` (the last row is waste)."""

    def __init__(self, tables: Tables, where: torch.Tensor) -> None:
        graphs, n, degree = tables.neighbour.shape
        self.n, self.degree, self.count = n, degree, where.shape[0]
        self.graph = torch.arange(self.count, device=where.device) // (self.count // graphs)
        self.neighbour = tables.neighbour[self.graph]
        self.banned = tables.banned[self.graph]
        self.blank = (tables.neighbour[:, :, 0] == n) & ~((tables.single != 0) | tables.banned).any(2)
        self.blank = self.blank[self.graph]
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
        # The two changes of an adjacent pair take off twice what it costs now, and miss what it costs afterwards.
        corrections = torch.zeros(self.count, n, n + 1, dtype=change.dtype, device=change.device)
        corrections.scatter_add_(2, self.neighbour, now + exchanged)
        return change + change.transpose(1, 2) + corrections[..., :n]

    def alike(self, vertex: torch.Tensor, location: torch.Tensor, m: int) -> torch.Tensor:
        """Placements `[B,n,n]` that are as good as `vertex [B]` at `location [B]`; none for a blank at a dummy."""
        k = torch.arange(self.n, device=vertex.device)
        blank, dummy = self.blank.gather(1, vertex[:, None]), (location >= m)[:, None]
        rows = torch.where(blank, self.blank, k == vertex[:, None])
        columns = torch.where(dummy, k >= m, k == location[:, None])
        return (rows & ~(blank & dummy))[:, :, None] & columns[:, None, :]

    def swap(self, both: torch.Tensor, gain: torch.Tensor) -> None:
        """Swap the vertices `both [B,2]` of each search; twice the same leaves it as it is."""
        old = self.where.gather(1, both)
        new = old.flip(1)
        rows = self._rows(both, new[..., None]) - self._rows(both, old[..., None])
        index = self.neighbour.gather(1, both[..., None].expand(-1, -1, self.degree)).flatten(1)
        self.costs.scatter_add_(1, index[..., None].expand(-1, -1, self.n), rows.flatten(1, 2))
        self.where = self.where.scatter(1, both, new)
        self.energy = self.energy + gain


def _descend(
    tables: Tables,
    where: torch.Tensor,
    m: int,
    iterations: int,
    states: torch.Tensor,
    stop: np.ndarray | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Best permitted assignments `[G,S,n]` of all searches and their energies `[G,S]` (NOTHING if none)."""
    graphs, starts, n = where.shape
    searches, states = _Searches(tables, where.flatten(0, 1)), states.flatten()
    dummy = torch.arange(n, device=where.device) >= m
    until = torch.where(searches.blank[:, :, None] & dummy, FOREVER, 0)
    shortest, longest = robust_tabu_numba.tenure(n)
    best, level = searches.where, searches.energy
    blank = searches.blank[:, :, None] & searches.blank[:, None, :]
    kept = torch.where(_permitted(searches), searches.energy, NOTHING)
    for iteration in range(1, iterations + 1):
        if _raised(stop):
            break
        real = searches.where < m
        placed = until.gather(2, searches.where[:, None, :].expand(-1, n, -1))
        # A swap is tabu only if both of its vertices would return to where they were.
        tabu = torch.minimum(placed, placed.transpose(1, 2)) > iteration
        gains = searches.gains().long()
        possible = (
            ~blank & (real[:, :, None] | real[:, None, :]) & (searches.where[:, :, None] < searches.where[:, None, :])
        )
        possible &= ~tabu | (gains + searches.energy[:, None, None] < level[:, None, None])
        # One minimum decides by gain and then by the order in which the compiled scan visits swaps.
        key = torch.where(possible, gains, NEVER) * _CODES + _codes(searches.where)
        least, pair = key.flatten(1).min(1)
        move = least < NEVER * _CODES
        # In lockstep nobody can sit out: a search without a move swaps vertex 0 with itself, and draws nothing.
        both = torch.where(move[:, None], torch.stack([pair // n, pair % n], 1), 0)
        left = searches.where.gather(1, both)
        for k in range(2):
            drawn, length = below(states, longest - shortest + 1)
            states = torch.where(move, drawn, states)
            held = iteration + 1 + shortest + length
            cells = searches.alike(both[:, k], left[:, k], m) & move[:, None, None]
            until = torch.where(cells, held[:, None, None], until)
        searches.swap(both, torch.where(move, least // _CODES, 0))
        level = torch.minimum(level, searches.energy)
        better = (searches.energy < kept) & _permitted(searches)
        kept = torch.where(better, searches.energy, kept)
        best = torch.where(better[:, None], searches.where, best)
    return best.view(graphs, starts, n), kept.view(graphs, starts)


_CODES = 2**31  # more than there are codes of swaps


def _codes(where: torch.Tensor) -> torch.Tensor:
    """What decides between equal gains, `[B,n,n]`: the block of 8×8 locations, then the row, then the column in it."""
    a, b, blocks = where[:, :, None], where[:, None, :], -(-where.shape[1] // LANES)
    return ((a // LANES * blocks + b // LANES) * LANES + a % LANES) * LANES + b % LANES


def _permitted(searches: _Searches) -> torch.Tensor:
    return ~searches.banned.gather(2, searches.where[..., None]).any(2).any(1)
