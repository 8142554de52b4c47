"""The bound of Gilmore and Lawler: in closed form where costs are products, and as multipliers to climb from."""

from __future__ import annotations

from typing import Any

from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.kernels.threads import in_slices
from gmssl.parts.solvers.koopmans_beckmann import Products
from gmssl.parts.solvers.lagrange.ascent import NANOSECOND, zero_multipliers
from gmssl.parts.solvers.lagrange.dual import Ascent
from gmssl.problem import Multipliers, Problem


def least_products(products: Products) -> float:
    """A lower bound: the edges of i, placed at s, cost at least the least product of their numbers in any order.

    Each ordered pair is charged to its first vertex, then each to its second; the higher bound counts. Source: as in
    `gilmore_lawler_numba`.
    """
    n, m = products.vertex.shape
    bounds = []
    for a, b in ((products.a, products.b), (products.a.T, products.b.T)):
        # A vertex that is left over pays nothing: zeros stand for the partners that i does not have.
        flows = numpy.sort(numpy.pad(_off_diagonal(a), ((0, 0), (0, m - n))), 1)
        bounds.append(products.bound(0.0, products.vertex + flows @ numpy.sort(_off_diagonal(b), 1)[:, ::-1].T))
    return max(bounds)


def start(ascent: Ascent, problem: Problem, chosen: torch.Tensor) -> Multipliers:
    """Multipliers whose bound is at least that of Gilmore and Lawler, computed on the CPU.

    Args:
        ascent: of its settings `every_pair`, `threads` and `stop`; multipliers not known by then stay 0.
        problem: G problems with n ≤ m, on the CPU.
        chosen: bool `[G]`; the multipliers of others are 0.
    """
    from gmssl.parts.solvers.lagrange.gilmore_lawler_numba import start_slice

    costs, topology = problem.costs, problem.topology
    tensors = costs.vertex.double(), costs.edge.double(), topology.left, topology.right, topology.allowed
    vertex, edge, left, right, allowed = (x.contiguous().numpy() for x in tensors)
    multipliers = zero_multipliers(ascent, problem)
    which: Any = chosen.numpy()
    tails, heads, capacities = (x.numpy() for x in (multipliers.tail, multipliers.head, multipliers.capacity))

    def run(lo: int, hi: int) -> None:
        part = slice(lo, hi)
        start_slice(
            vertex[part], edge[part], left[part], right[part], allowed[part], ascent.every_pair, which[part],
            ascent.stop, tails[part], heads[part], capacities[part],
        )  # fmt: skip

    n, m = vertex.shape[1:]
    # n·m assignments of n vertices to m.
    effort = float(which.sum()) * n**3 * m**2 * NANOSECOND
    in_slices(run, len(which), ascent.threads or torch.get_num_threads(), ascent.stop, effort)
    return multipliers


def _off_diagonal(matrix: numpy.ndarray) -> numpy.ndarray:
    """The rows of `matrix [n,n]` without their diagonals, `[n,n−1]`."""
    n = len(matrix)
    return matrix[~numpy.eye(n, dtype=bool)].reshape(n, n - 1)
