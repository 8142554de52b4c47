"""One instance whose edge costs are of any kind, laid out for `search_numba`."""

from __future__ import annotations

from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.relabelling import opposite, turned, with_dummies
from gmssl.parts.solvers.tabu.layout import lay_out
from gmssl.parts.solvers.tabu.search_numba import NOTHING
from gmssl.parts.solvers.tabu.starts_numba import load, search_from
from gmssl.problem import Costs, Problem


class TableGround:
    """Where `evolve` searches: as many vertices as the longer side has, at its own locations and dummies.

    It is of no use once `stop [1]` is set.
    """

    def __init__(self, problem: Problem, single: Costs, random: numpy.random.Generator, stop: numpy.ndarray) -> None:
        self._shape = problem.costs.vertex.shape[1:]
        self._turned = self._shape[0] < self._shape[1]
        problem = problem.with_costs(single)
        longer = turned(problem) if self._turned else problem
        costs, topology = longer.costs, longer.topology
        self.size, m = costs.vertex.shape[1:]
        left, right = topology.left[0].numpy(), topology.right[0].numpy()
        self._memory, self._layout = lay_out(self.size, m, len(left), 1)
        self._names = numpy.empty(self.size, numpy.int32), numpy.empty(m, numpy.int32)
        ends = numpy.empty(left.shape, numpy.int32), numpy.empty(right.shape, numpy.int32)
        words = random.integers(1, 2**63, 1, numpy.uint64)
        self._masked = load(
            costs.vertex[0].contiguous().numpy(), costs.edge[0].contiguous().numpy(), left, right,
            topology.allowed[0].contiguous().numpy(), words, self._names, ends, stop, self._memory, self._layout,
        )  # fmt: skip

    def search(
        self, where: numpy.ndarray, iterations: int, random: numpy.ndarray, stop: numpy.ndarray
    ) -> tuple[float, numpy.ndarray]:
        """Energy, in units of its own, and assignment of one tabu search from `where`; +inf if it met none."""
        best = numpy.empty(self.size, numpy.int64)
        energy = search_from(where, iterations, self._masked, stop, random, best, self._memory, self._layout)
        return (float(energy) if energy < NOTHING else numpy.inf), best

    def begin(self, columns: numpy.ndarray) -> numpy.ndarray:
        """The assignment of `columns [n]`, a matching of the whole shorter side."""
        one = torch.from_numpy(columns)[None]
        longer = opposite(one, self._shape[1]) if self._turned else one
        rows = with_dummies(longer, min(self._shape))[0].numpy()
        rename, renames = (names.astype(numpy.int64) for names in self._names)
        where = numpy.empty(self.size, numpy.int64)
        where[rename] = numpy.where(rows < len(renames), renames[numpy.minimum(rows, len(renames) - 1)], rows)
        return where

    def columns(self, where: numpy.ndarray) -> numpy.ndarray:
        """The column of each row `[n]`, ≥ m where unmatched."""
        rename, renames = self._names
        column = numpy.arange(self.size)
        column[renames] = numpy.arange(len(renames))
        longer = torch.from_numpy(column[where[rename]])[None]
        return (opposite(longer, self._shape[0]) if self._turned else longer)[0].numpy()
