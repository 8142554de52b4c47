"""Dual ascent on a batch: what `lagrange` and `exact` share. See `lagrange.py` for the relaxation."""

from __future__ import annotations

from typing import Any

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.parts.solvers.kernels.threads import in_slices
from gmssl.parts.solvers.lagrange.dual import Ascent, Dual
from gmssl.parts.solvers.plain import cheap_bound
from gmssl.problem import Multipliers, Problem
from gmssl.problem.memory import refuse_without_room

NANOSECOND = 1e-9  # about what a step takes for each place of each pair, on one thread


def climb(
    ascent: Ascent,
    problem: Problem,
    columns: torch.Tensor,
    upper: torch.Tensor | None = None,
    multipliers: Multipliers | None = None,
) -> Dual:
    """Bound problems with n ≤ m, from given multipliers, or from zero; what is not begun in time, by `cheap_bound`.

    Args:
        ascent: how long, how often evaluated, how exact.
        problem: G problems.
        columns: `[G,n]`, an assignment; it may be a forbidden one.
        upper: `[G]` float64, an energy to beat, or None.
        multipliers: to start from, of problems with the same edges; None: zero.
    """
    zero = zero_multipliers(ascent, problem)
    multipliers = zero if multipliers is None else _checked(multipliers, zero)  # which are written on
    if columns.device.type != "cpu":
        from gmssl.parts.solvers.lagrange.ascent_torch import ascend

        return ascend(ascent, problem, columns, multipliers, upper)
    return _compiled(ascent, problem, columns, upper, multipliers)


def refuse_without_room_to_climb(problem: Problem, every_pair: bool) -> None:
    """Refuse problems whose ascent on the CPU needs more memory than there is, before anything else takes its time.

    Raises:
        ProblemError: the machine has no room for the tables of one instance, or for the multipliers of all.
    """
    if problem.costs.vertex.device.type != "cpu":
        return
    graphs, *sides = problem.costs.vertex.shape
    edges = problem.topology.left if sides[0] <= sides[1] else problem.topology.right
    n, m = sorted(sides)
    pairs = n * (n - 1) // 2
    pairs = pairs if every_pair else min(pairs, edges.shape[1])  # edges may be listed twice, or in both directions
    edge = problem.costs.edge
    # Costs in float64 and in float32, and y; multipliers as they are given and as they are found; edges in float64.
    size = 16 * pairs * m * m + 2 * 4 * graphs * (2 * pairs * m + n * m * m)
    size += 0 if edge.dtype == torch.float64 else 8 * edge.numel()
    what = f"the tables of a bound for {n}×{m} vertices, of which {pairs} pairs are relaxed,"
    refuse_without_room(size, what, "use a smaller problem, or robust_tabu, which gives no bound")


def refuse_unfit(multipliers: Multipliers, problem: Problem, every_pair: bool) -> None:
    """Refuse multipliers that are not of these problems, in the sizes that the problems had before they were completed.

    Raises:
        ProblemError: other shapes.
    """
    (graphs, *sides), dummies = problem.costs.vertex.shape, problem.topology.dummies
    edges = problem.topology.left if sides[0] <= sides[1] else problem.topology.right
    n, m = (
        sides
        if dummies == 0
        else (sides[0] - dummies * (sides[0] > sides[1]), sides[1] - dummies * (sides[0] < sides[1]))
    )
    short, long = sorted(sides)
    pairs = short * (short - 1) // 2 if every_pair else edges.shape[1]
    needed = {"tail": [graphs, pairs, long], "head": [graphs, pairs, long], "capacity": [graphs, short, long, long]}
    for name, shape in needed.items():
        found = list(getattr(multipliers, name).shape)
        if found != shape:
            of = f"{graphs} {'partial ' if dummies else ''}problems of {n}×{m} vertices"
            why = f" ({long} are the vertices of the longer side and {dummies} dummies)" if dummies else ""
            raise ProblemError(
                f"multipliers.{name} has shape {found}, {of} need {shape}{why}; warm-start problems of the same G, n, "
                "m and edges, all partial or none, with the same setting of `pairs`."
            )


def zero_multipliers(ascent: Ascent, problem: Problem) -> Multipliers:
    """Multipliers of problems with n ≤ m, all zero, on their device."""
    graphs, n, m = problem.costs.vertex.shape
    pairs = n * (n - 1) // 2 if ascent.every_pair else problem.topology.left.shape[1]
    shapes = (graphs, pairs, m), (graphs, pairs, m), (graphs, n, m, m)
    return Multipliers(
        *(torch.zeros(shape, dtype=torch.float32, device=problem.costs.vertex.device) for shape in shapes)
    )


def _compiled(
    ascent: Ascent, problem: Problem, columns: torch.Tensor, upper: torch.Tensor | None, multipliers: Multipliers
) -> Dual:
    columns, device = columns.clone(), columns.device
    bound = torch.full((len(columns),), -torch.inf, dtype=torch.float64, device=device)
    upper = torch.full_like(bound, torch.inf) if upper is None else upper.clone()
    excess = torch.zeros(problem.costs.vertex.shape, dtype=torch.float64, device=device)
    dual = Dual(columns, upper, bound, multipliers, excess)
    if not ascent.stop[0]:
        _ascend(ascent, problem, dual)
    late = (bound == -torch.inf).nonzero().flatten()
    if len(late):
        bound[late] = cheap_bound(problem if len(late) == len(bound) else problem.select(late))
    return dual


def _ascend(ascent: Ascent, problem: Problem, dual: Dual) -> None:
    """Improve what `dual` holds in place."""
    from gmssl.parts.solvers.lagrange.ascent_numba import ascend_slice

    assert dual.excess is not None
    costs, topology, multipliers = problem.costs, problem.topology, dual.multipliers
    tensors = costs.vertex.double(), costs.edge.double(), topology.left, topology.right, topology.allowed
    given: list[Any] = [x.contiguous().numpy() for x in tensors]
    found = multipliers.tail, multipliers.head, multipliers.capacity, dual.columns, dual.upper, dual.bound, dual.excess
    changed: list[Any] = [x.numpy() for x in found]

    def run(lo: int, hi: int) -> None:
        vertex, edge, left, right, allowed = (x[lo:hi] for x in given)
        tails, heads, capacities, best, energies, bounds, grown = (x[lo:hi] for x in changed)
        ascend_slice(
            vertex, edge, left, right, allowed, ascent.every_pair, ascent.iterations, ascent.every, ascent.tolerance,
            ascent.stop, tails, heads, capacities, best, energies, bounds, grown,
        )  # fmt: skip

    pairs, places = multipliers.tail.shape[1], costs.vertex.shape[2] ** 2
    effort = len(dual.bound) * (1 + ascent.iterations) * pairs * places * NANOSECOND
    in_slices(run, len(dual.bound), ascent.threads or torch.get_num_threads(), ascent.stop, effort)


def _checked(given: Multipliers, zero: Multipliers) -> Multipliers:
    """A copy on the device of the problem; a bound holds for finite multipliers with capacities ≥ 0 only."""
    names = ("tail", "head", "capacity")
    for name in names:
        one = getattr(given, name)
        if not bool(torch.isfinite(one).all()) or (name == "capacity" and bool((one < 0).any())):
            raise ProblemError(f"multipliers.{name} is not finite, or capacity is below 0; start without multipliers.")
    return Multipliers(*(getattr(given, name).to(zero.tail, copy=True) for name in names))
