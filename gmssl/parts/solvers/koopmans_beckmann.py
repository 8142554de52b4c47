"""Whether edge costs are products of a number of either edge, as Koopmans and Beckmann (1957) have them.

Then all that edges cost lies in two small matrices, and there are bounds in closed form: `eigenvalue` and
`gilmore_lawler`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.lazy import numpy, torch
from gmssl.problem import Problem

BLOCK = 2**16
"""Edge costs that are compared with a product at once: most problems are told apart by the first few."""
EXACTNESS = 2.0**-20
"""How far from products costs may be, relative to the largest: as far as float32 rounds those of its own."""
EPSILON = 2.0**-52


@dataclass(frozen=True, eq=False)
class Products:
    """Σ_is c_is x_is + Σ_ij Σ_st A_ij B_st x_is x_jt of one instance with n ≤ m, in float64.

    Attributes:
        a, b: `[n,n]`, `[m,m]`, zero on the diagonal.
        vertex: `[n,m]`, what loops cost included; +inf where forbidden.
        slack: no matching costs less than this below what the matrices say.
    """

    a: numpy.ndarray
    b: numpy.ndarray
    vertex: numpy.ndarray
    slack: float

    def bound(self, constant: float, linear: numpy.ndarray) -> float:
        """`constant` plus the least assignment of `linear [n,m]`, rounded down; −inf if it is not finite.

        Both may be off by what float64 loses on eigenvalues and sums of products of the two matrices.
        """
        from gmssl.parts.solvers.assignment.lap_numba import assign_rectangular

        n, m = linear.shape
        columns, u, v = numpy.empty(n, numpy.int64), numpy.empty(n), numpy.empty(m)
        if not assign_rectangular(numpy.ascontiguousarray(linear), columns, u, v):
            return -numpy.inf
        # Backward stable algorithms of dimension m lose some m·ε of the norms, and a sum of √m terms adds that up.
        matrices = m**1.5 * numpy.linalg.norm(self.a) * numpy.linalg.norm(self.b)
        lost = matrices + n * m * abs(linear[numpy.isfinite(linear)]).max(initial=0.0)
        value = constant + u.sum() + v.sum() - 16 * EPSILON * (abs(constant) + lost) - self.slack
        return float(value) if numpy.isfinite(value) else -numpy.inf


def perhaps_products(edge: torch.Tensor) -> torch.Tensor:
    """Whether the first few edge costs of `edge [G,E,F]` are products: bool `[G]`.

    It costs a whole batch what a look at one instance would, and rules out nearly all other costs.
    """
    if not edge.numel():
        return torch.zeros(len(edge), dtype=torch.bool, device=edge.device)
    corner = edge[:, :8, :8].double()
    largest, place = corner.abs().flatten(1).max(1)
    row, column = place // corner.shape[2], place % corner.shape[2]
    left = corner.take_along_dim(column[:, None, None], 2)
    right = corner.take_along_dim(row[:, None, None], 1)
    pivot = left.take_along_dim(row[:, None, None], 1)
    off = (corner - left * (right / pivot)).abs().amax((1, 2))
    return ~(off > EXACTNESS * largest)  # a corner of zeros says nothing: its quotients are NaN


def products_of(problem: Problem, g: int, stop: numpy.ndarray) -> Products | None:
    """Instance g as products; None if its edge costs are none, are all 0, or `stop [1]` was set meanwhile."""
    edge = problem.costs.edge[g]
    wide = edge if edge.dtype in (torch.float32, torch.float64) else edge.double()
    found = _factors(wide.numpy(), stop)
    if found is None:
        return None
    topology = problem.topology
    n, m = topology.allowed.shape[1:]
    left, right = topology.left[g].numpy(), topology.right[g].numpy()
    (of_left, of_right, off), a, b = found, numpy.zeros((n, n)), numpy.zeros((m, m))
    numpy.add.at(a, (left[:, 0], left[:, 1]), of_left)
    numpy.add.at(b, (right[:, 0], right[:, 1]), of_right)
    vertex = problem.costs.vertex[g].double().numpy() + numpy.outer(a.diagonal(), b.diagonal())
    numpy.fill_diagonal(a, 0)
    numpy.fill_diagonal(b, 0)
    # A matching pays for a left edge as often as the right one that it lands on is listed.
    repeats = numpy.bincount(right[:, 0] * m + right[:, 1]).max()
    vertex[~topology.allowed[g].numpy()] = numpy.inf
    return Products(a, b, vertex, float(repeats * off.sum()))


def _factors(edge: numpy.ndarray, stop: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray] | None:
    """`[E]` and `[F]`, of which `edge [E,F]` are the products, and `[E]`, how far each row is from that at most."""
    if not edge.size:
        return None
    place = max(edge.argmax(), edge.argmin(), key=lambda k: abs(edge.flat[k]))
    row, column = divmod(int(place), edge.shape[1])
    largest = abs(float(edge[row, column]))
    if largest == 0:
        return None
    # Divided by the largest, so that equal costs stay equal and what is symmetric stays so.
    of_left, of_right = edge[:, column].astype(numpy.float64), edge[row] / numpy.float64(edge[row, column])
    off, rows = numpy.empty(len(edge)), max(1, BLOCK // edge.shape[1])
    for lo in range(0, len(edge), rows):
        part = slice(lo, lo + rows)
        off[part] = abs(edge[part] - of_left[part, None] * of_right).max(1)
        if stop[0] or off[part].max() > EXACTNESS * largest:
            return None
    return of_left, of_right, off
