"""From the columns that a solver chose to a `Solution`."""

from __future__ import annotations

import mmap

from gmssl.errors import ProblemError
from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.kernels.threads import in_slices
from gmssl.problem import Pairs, Problem, Solution, Topology, vertex_matching

MANY = 2**24
"""Bytes of zeros from which on pages of their own pay."""


def outcome(
    problem: Problem,
    columns: torch.Tensor,
    converged: torch.Tensor,
    proven: bool,
    threads: int = 1,
    agreed: torch.Tensor | None = None,
) -> Solution:
    """Lift an assignment and evaluate it.

    Args:
        problem: what was solved.
        columns: `[G,n]` matched column of each row; −1 or ≥ m leaves the row unmatched.
        converged: bool `[G]`; False unless `proven`, as a matching without a bound is not known to be optimal.
        proven: the assignments are optimal, so that their energy is a bound.
        threads: over the batch, on the CPU.
        agreed: bool `[G]`, whether the search stopped by its own rule; None if it has none.

    Returns:
        The solution; energies are summed in float64, so that solvers agree, and returned in the costs' dtype. A bound
        is rounded down, so that it is none above the optimum.

    Raises:
        ProblemError: an energy that the dtype of the costs cannot hold.
    """
    matching, energy = evaluated(problem, columns, threads)
    dtype = problem.costs.vertex.dtype
    bound, difference = (rounded_down(energy, dtype), torch.zeros_like(energy)) if proven else (None, None)
    return Solution(matching, in_dtype(energy, dtype), bound, converged, agreed=agreed, difference=difference)


def evaluated(problem: Problem, columns: torch.Tensor, threads: int = 1) -> tuple[Pairs, torch.Tensor]:
    """The matching of an assignment, and its energy `[G]` in float64; arguments as in `outcome`."""
    costs = problem.costs
    dtype, m = costs.vertex.dtype, costs.vertex.shape[2]
    if _compilable(problem):
        return _compiled(problem, columns, threads)
    matching = Pairs(vertex_matching(columns, m, dtype), _lifted(columns, m, problem.topology).to(dtype))
    # A product with 0 or 1 is exact, so only the sum needs float64.
    energy = (costs.vertex * matching.vertex).sum((1, 2), dtype=torch.float64)
    return matching, energy + (costs.edge * matching.edge).sum((1, 2), dtype=torch.float64)


def _compiled(problem: Problem, columns: torch.Tensor, threads: int) -> tuple[Pairs, torch.Tensor]:
    """On the CPU few of the E·F pairs of edges are matched, so none else is read, nor written: zeros come for free."""
    from gmssl.parts.solvers.kernels.lift_numba import evaluate

    vertex, edge, left, right, chosen = _arrays(problem, columns)
    matched, lifted, energy = _zeros(vertex), _zeros(edge), numpy.empty(len(chosen))

    def run(lo: int, hi: int) -> None:
        part = slice(lo, hi)
        evaluate(
            vertex[part], edge[part], left[part], right[part], chosen[part], matched[part], lifted[part], energy[part]
        )

    in_slices(run, len(columns), threads)
    return Pairs(torch.from_numpy(matched), torch.from_numpy(lifted)), torch.from_numpy(energy)


def _zeros(like: numpy.ndarray) -> numpy.ndarray:
    """Zeros, of which only what is written takes memory and time where they are many."""
    if like.nbytes < MANY or not hasattr(mmap, "MAP_PRIVATE"):
        return numpy.zeros(like.shape, like.dtype)
    # NumPy asks the system for pages of 2 MiB here, and a matching of edges writes a number to each of them.
    pages = mmap.mmap(-1, like.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return numpy.frombuffer(pages, like.dtype).reshape(like.shape)


def energies(problem: Problem, columns: torch.Tensor, magnitudes: bool = False) -> torch.Tensor:
    """The energy `[G]` of an assignment in float64, without its matching; or the sum of the `magnitudes` it pays."""
    if _compilable(problem):
        return _paid(problem, columns, torch.ones(len(columns), dtype=torch.float64, device="cpu"), magnitudes)[1]
    costs = problem.costs.map(torch.Tensor.abs) if magnitudes else problem.costs
    return evaluated(problem.with_costs(costs), columns)[1]


def paid_by_edges(problem: Problem, columns: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """What each left edge costs under an assignment, times `factor [G]`: `[G,E]`, float64."""
    if _compilable(problem):
        return _paid(problem, columns, factor, False)[0]
    edge, topology = problem.costs.edge, problem.topology
    matched = _lifted(columns, topology.allowed.shape[2], topology)
    return ((edge * matched).double() * factor[:, None, None]).sum(2)


def _compilable(problem: Problem) -> bool:
    vertex = problem.costs.vertex
    return vertex.device.type == "cpu" and vertex.dtype in (torch.float32, torch.float64)


def _paid(
    problem: Problem, columns: torch.Tensor, factor: torch.Tensor, magnitudes: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    from gmssl.parts.solvers.kernels.lift_numba import pay

    vertex, edge, left, right, chosen = _arrays(problem, columns)
    paid, energy = numpy.empty(edge.shape[:2]), numpy.empty(len(edge))
    pay(vertex, edge, left, right, chosen, factor.numpy(), magnitudes, paid, energy)
    return torch.from_numpy(paid), torch.from_numpy(energy)


def _arrays(problem: Problem, columns: torch.Tensor) -> tuple[numpy.ndarray, ...]:
    costs, topology = problem.costs, problem.topology
    tensors = (costs.vertex.detach(), costs.edge.detach(), topology.left, topology.right, columns)
    return tuple(x.contiguous().numpy() for x in tensors)


def in_dtype(energy: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Float64 energies `[G]` in the dtype of their costs.

    Raises:
        ProblemError: one of them is beyond the largest number of that dtype.
    """
    given = energy.to(dtype)
    if not _bounded(given):
        graph = int(given.isinf().nonzero()[0])
        wider = " or pass float64 costs" if dtype != torch.float64 else ""
        raise ProblemError(
            f"the energy of instance {graph}, {energy[graph].item():.3g}, is beyond the numbers of {dtype}; divide all "
            f"costs by a constant{wider}."
        )
    return given


def rounded_down(bound: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Float64 bounds in another dtype, never above what they were."""
    if dtype == bound.dtype:
        return bound.clone()
    # Rounded to the nearest, a bound could end up above the optimum and would then be none. NumPy rounds the few of a
    # batch in half the time that torch needs for its calls.
    if bound.device.type == "cpu" and dtype == torch.float32:
        exact = bound.numpy()
        nearest = bound.to(dtype).numpy()
        above = nearest > exact
        nearest[above] = numpy.nextafter(nearest[above], numpy.float32(-numpy.inf))
        return torch.from_numpy(nearest)
    given = bound.to(dtype)
    lower = torch.nextafter(given, torch.full_like(given, -torch.inf))
    return torch.where(given.double() > bound, lower, given)


def _bounded(given: torch.Tensor) -> bool:
    """Whether no number is infinite."""
    if given.device.type == "cpu" and given.dtype != torch.bfloat16:
        return not bool(numpy.isinf(given.numpy()).any())
    return not bool(given.isinf().any())


def _lifted(columns: torch.Tensor, m: int, topology: Topology) -> torch.Tensor:
    """`gmssl.energy.lift` of an assignment by one comparison instead of two gathers: bool `[G,E,F]`."""
    left = columns.gather(1, topology.left.flatten(1)).view_as(topology.left)
    matched = ((left >= 0) & (left < m)).all(2)
    image = torch.where(matched, left[..., 0] * m + left[..., 1], -1).int()
    pair = (topology.right[..., 0] * m + topology.right[..., 1]).int()
    return image[:, :, None] == pair[:, None, :]


def refuse_unmatchable(unmatchable: torch.Tensor) -> None:
    """Raise for the first instance (`unmatchable [G]` bool) whose mask permits no matching.

    Raises:
        ProblemError: naming the instance.
    """
    if bool(unmatchable.any()):
        graph = int(unmatchable.nonzero()[0])
        raise ProblemError(
            f"`allowed` of instance {graph} permits no one-to-one matching of the shorter side "
            f"({int(unmatchable.sum())} of {len(unmatchable)} instances); allow more pairs."
        )
