"""Dual ascent on a batch: what `lagrange` and `exact` share. See `gmssl.solvers.lagrange` for the relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmssl.errors import ProblemError
from gmssl.lazy import numpy, torch
from gmssl.problem import Multipliers, Problem
from gmssl.solvers.slices import in_slices


@dataclass(frozen=True)
class Dual:
    """What an ascent found for G problems with n ≤ m.

    Attributes:
        columns: `[G,n]`, the best assignment known: the given one, or a rounding below it.
        upper: `[G]` float64, its energy, or what was given as `upper` if that is lower.
        bound: `[G]` float64, +inf where the mask permits no matching.
        multipliers: of the bound.
        excess: `[G,n,m]` float64, ≥ 0: by how much the bound grows at least where i must go to s; None on a GPU.
    """

    columns: torch.Tensor
    upper: torch.Tensor
    bound: torch.Tensor
    multipliers: Multipliers
    excess: torch.Tensor | None


@dataclass(frozen=True)
class Ascent:
    """Settings of `Lagrange` of the same names; `stop [1]`, an array: anything but 0 ends the ascent early."""

    iterations: int
    every: int
    tolerance: float
    every_pair: bool
    threads: int | None
    stop: numpy.ndarray

    def run(
        self,
        problem: Problem,
        columns: torch.Tensor,
        upper: torch.Tensor | None = None,
        multipliers: Multipliers | None = None,
    ) -> Dual:
        """Bound problems with n ≤ m, from given multipliers, or from zero.

        Args:
            problem: G problems.
            columns: `[G,n]`, an assignment; it may be a forbidden one.
            upper: `[G]` float64, an energy to beat, or None.
            multipliers: to start from, of problems with the same edges; None: zero.
        """
        zero = self._zero(problem)
        multipliers = zero if multipliers is None else _checked(multipliers, zero)
        if columns.device.type != "cpu":
            from gmssl.solvers.lagrange_torch import ascend

            return ascend(self, problem, columns, multipliers, upper)
        return self._compiled(problem, columns, upper, multipliers)

    def _zero(self, problem: Problem) -> Multipliers:
        graphs, n, m = problem.costs.vertex.shape
        pairs = n * (n - 1) // 2 if self.every_pair else problem.topology.left.shape[1]
        shapes = (graphs, pairs, m), (graphs, pairs, m), (graphs, n, m, m)
        return Multipliers(*(torch.zeros(shape, device=problem.costs.vertex.device) for shape in shapes))

    def _compiled(
        self, problem: Problem, columns: torch.Tensor, upper: torch.Tensor | None, multipliers: Multipliers
    ) -> Dual:
        from gmssl.solvers.lagrange_ascent_numba import ascend_slice

        costs, topology = problem.costs, problem.topology
        tensors = costs.vertex.double(), costs.edge.double(), topology.left, topology.right, topology.allowed
        given: list[Any] = [x.contiguous().numpy() for x in tensors]
        duals = [x.clone() for x in (multipliers.tail, multipliers.head, multipliers.capacity)]
        columns, bound = columns.clone(), torch.empty(len(columns), dtype=torch.float64)
        upper = torch.full_like(bound, torch.inf) if upper is None else upper.clone()
        excess = torch.empty(costs.vertex.shape, dtype=torch.float64)
        changed: list[Any] = [x.numpy() for x in (*duals, columns, upper, bound, excess)]

        def run(lo: int, hi: int) -> None:
            vertex, edge, left, right, allowed = (x[lo:hi] for x in given)
            tails, heads, capacities, best, energies, bounds, grown = (x[lo:hi] for x in changed)
            ascend_slice(
                vertex, edge, left, right, allowed, self.every_pair, self.iterations, self.every, self.tolerance,
                self.stop, tails, heads, capacities, best, energies, bounds, grown,
            )  # fmt: skip

        in_slices(run, len(columns), self.threads or torch.get_num_threads())
        return Dual(columns, upper, bound, Multipliers(*duals), excess)


def _checked(given: Multipliers, zero: Multipliers) -> Multipliers:
    """Multipliers on the device of the problem; a bound holds for finite ones with capacities ≥ 0 only."""
    names = ("tail", "head", "capacity")
    for name in names:
        one, other = getattr(given, name), getattr(zero, name)
        if one.shape != other.shape:
            raise ProblemError(
                f"multipliers.{name} has shape {list(one.shape)}, these problems need {list(other.shape)}; warm-start "
                "problems of the same G, n, m and edges, with the same setting of `pairs`."
            )
        if not bool(torch.isfinite(one).all()) or (name == "capacity" and bool((one < 0).any())):
            raise ProblemError(f"multipliers.{name} is not finite, or capacity is below 0; start without multipliers.")
    return Multipliers(*(getattr(given, name).to(zero.tail) for name in names))


def columns_of(vertex: torch.Tensor) -> torch.Tensor:
    """The column of each row, `[G,n]`, −1 where unmatched, of a matching `[G,n,m]`."""
    value, index = vertex.max(2)
    return torch.where(value > 0.5, index, -1)


def rounded_down(bound: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Float64 bounds in another dtype, never above what they were."""
    given = bound.to(dtype)
    lower = torch.nextafter(given, torch.full_like(given, -torch.inf))
    return torch.where(given.double() > bound, lower, given)
