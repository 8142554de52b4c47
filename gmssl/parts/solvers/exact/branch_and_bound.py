"""Branch and bound on the Lagrangean bound: the search behind `exact`.

A node is a mask: which pairs are still allowed. Its bound comes from a short ascent that starts at its parent's
multipliers, and with it, for every pair, by how much the bound would grow if that pair were matched (`Dual.excess`):
pairs whose grown bound reaches the best energy known are forbidden for good, which tightens the next ascent, and often
decides everything. What is left branches over all columns of one row, the one with the fewest.

Nodes are taken in the order of their bounds, a fixed number at a time, so that threads have work and results do not
depend on how many there are.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import isfinite

from gmssl.lazy import torch
from gmssl.parts.solvers.lagrange.ascent import climb
from gmssl.parts.solvers.lagrange.dual import Ascent, Dual
from gmssl.parts.solvers.outcome import energies
from gmssl.problem import Multipliers, Problem, Topology

AT_ONCE = 8  # nodes that branch together
BLOCK = 2**24  # edge costs that are copied at once for children that are bounded together
ROUNDING = 1e-12  # of sums in float64, relative to what the known matching pays: closes a search at energy 0


@dataclass(order=True)
class _Node:
    bound: float
    age: int
    allowed: torch.Tensor = field(compare=False)  # [n,m]
    multipliers: Multipliers = field(compare=False)  # of one instance


@dataclass
class Search:
    """Branch and bound of one instance with n ≤ m.

    Attributes:
        problem: G = 1.
        ascent: of every node; its `stop` ends the search.
        fair: the gap that counts as proven, of an energy.
        nodes: how many may be bounded.
        columns, energy: the best assignment `[n]` known, and its energy.
        proven: the least bound of all nodes that were closed.
    """

    problem: Problem
    ascent: Ascent
    fair: Callable[[float], float]
    nodes: int
    columns: torch.Tensor
    energy: float = float("inf")
    proven: float = float("inf")

    def __post_init__(self) -> None:
        self._paid = 0.0

    def run(self, root: Dual, floor: torch.Tensor) -> float:
        """From the root's ascent, and another bound `[1]`, to the best assignment, and a bound on all."""
        ages, bounded = count(), 1
        heap: list[_Node] = []
        self._learn(root)
        if not isfinite(self.energy):  # the root had no time for it
            self._take(float(energies(self.problem, self.columns[None])), self.columns)
        self._keep(heap, ages, root, self.problem.topology.allowed, floor)
        while heap and bounded < self.nodes and not self.ascent.stop[0]:
            # A fixed number, not one for each thread: the search would otherwise depend on the machine.
            parents = [heapq.heappop(heap) for _ in range(min(AT_ONCE, len(heap)))]
            open_ = [parent for parent in parents if not self._closed(parent.bound)]
            if open_:
                families = [_children(parent.allowed) for parent in open_]
                masks = torch.cat(families)
                origin = torch.tensor([k for k, family in enumerate(families) for _ in family], device=masks.device)
                # What bounds a parent bounds its children; their own short ascent may end lower.
                bounds = [parent.bound for parent in open_]
                floor = torch.tensor(bounds, dtype=torch.float64, device=masks.device)[origin]
                duals = self._bound(masks, _stack([parent.multipliers for parent in open_]), origin)
                bounded += len(masks)
                for dual in duals:
                    self._learn(dual)
                for dual in duals:
                    part, masks = masks.split([len(dual.bound), len(masks) - len(dual.bound)])
                    above, floor = floor.split([len(part), len(masks)])
                    self._keep(heap, ages, dual, part, above)
                if len(masks):  # no time was left to bound them
                    self.proven = min(self.proven, float(floor.min()))
        for node in heap:
            self.proven = min(self.proven, node.bound)
        # Pairs were forbidden on the strength of the limit, so nothing above it is proven. Less than rounding below the
        # energy is the energy.
        bound = min(self.proven, self._limit())
        return self.energy if bound >= self.energy - self._rounding() else bound

    def _limit(self) -> float:
        """What has at least this bound is not worth a look; pairs were forbidden for no more."""
        return self.energy - max(self.fair(self.energy), self._rounding())

    def _rounding(self) -> float:
        """How far apart equal energies may come out, by what the known matching pays: dearer costs are in no sum."""
        return ROUNDING * self._paid

    def _closed(self, bound: float) -> bool:
        closed = bound >= self._limit()
        if closed:
            self.proven = min(self.proven, bound)
        return closed

    def _bound(self, masks: torch.Tensor, multipliers: Multipliers, origin: torch.Tensor) -> list[Dual]:
        """Of children `masks [K,n,m]`, some at a time and in their order, from what their parents `origin` ended with.

        Those whose turn comes after the time is up are missing at the end.
        """
        found = []
        for part in torch.arange(len(masks), device=masks.device).split(
            max(1, BLOCK // max(1, self.problem.costs.edge.numel()))
        ):
            if self.ascent.stop[0]:
                break
            upper = torch.full((len(part),), self.energy, dtype=torch.float64, device=masks.device)
            given = self.columns.expand(len(part), -1)
            found.append(climb(self.ascent, self._within(masks[part]), given, upper, multipliers.select(origin[part])))
        return found

    def _within(self, masks: torch.Tensor) -> Problem:
        topology, costs = self.problem.topology, self.problem.costs
        left, right = (x.expand(len(masks), -1, -1) for x in (topology.left, topology.right))
        return Problem(costs.map(lambda x: x.expand(len(masks), -1, -1)), Topology(left, right, masks))

    def _learn(self, dual: Dual) -> None:
        """Take over a better assignment. The ascent returns another energy only with the assignment it belongs to."""
        best = int(dual.upper.argmin())
        self._take(float(dual.upper[best]), dual.columns[best])

    def _take(self, energy: float, columns: torch.Tensor) -> None:
        if energy < self.energy:
            self.energy, self.columns = energy, columns.clone()
            self._paid = float(energies(self.problem, self.columns[None], magnitudes=True))

    def _keep(self, heap: list[_Node], ages: count[int], dual: Dual, masks: torch.Tensor, floor: torch.Tensor) -> None:
        """Put what is not closed on the heap, without the pairs that no better assignment can have."""
        assert dual.excess is not None
        bounds = torch.maximum(dual.bound, floor)
        left = None
        for k, bound in enumerate(bounds.tolist()):
            if self._closed(bound):
                continue
            if left is None:
                # With the bound of the ascent itself: its excess counts from there, not from the parent's.
                left = masks & ~(dual.bound[:, None, None] + dual.excess > self._limit())
            if not bool(left[k].any(1).all()):
                continue  # a row has no column left, and nothing better is in this node
            if bool((left[k].sum(1) == 1).all()):
                self._price(left[k])
            else:
                own = dual.multipliers.select(slice(k, k + 1))
                heapq.heappush(heap, _Node(bound, next(ages), left[k], own))

    def _price(self, allowed: torch.Tensor) -> None:
        """Close a node that holds one assignment at most: it has no children, and its energy is known exactly."""
        columns = allowed.int().argmax(1)
        if len(columns.unique()) < len(columns):
            return
        energy = float(energies(self.problem, columns[None]))
        self._take(energy, columns)
        self.proven = min(self.proven, energy)


def _children(allowed: torch.Tensor) -> torch.Tensor:
    """Masks `[K,n,m]`, one for each column of the row that has the fewest, but more than one."""
    choices = allowed.sum(1)
    # The row with the fewest choices: each child is nearest to being decided.
    row = int(torch.where(choices > 1, choices, allowed.shape[1] + 1).argmin())
    columns = allowed[row].nonzero().flatten()
    masks = allowed.repeat(len(columns), 1, 1)
    masks[:, row] = False
    each = torch.arange(len(columns), device=columns.device)
    masks[each, :, columns] = False
    masks[each, row, columns] = True
    return masks


def _stack(multipliers: list[Multipliers]) -> Multipliers:
    return Multipliers(*(torch.cat([getattr(x, name) for x in multipliers]) for name in ("tail", "head", "capacity")))
