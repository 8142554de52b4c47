"""One instance whose edge costs are products, laid out for `product_numba`."""

from __future__ import annotations

from dataclasses import replace

from gmssl.lazy import numpy
from gmssl.parts.solvers.kernels.simd_numba import LANES
from gmssl.parts.solvers.koopmans_beckmann import Products
from gmssl.parts.solvers.tabu.product_numba import search

EXACT = 2.0**24
"""Whole numbers up to here are float32 numbers."""
EXACT_IN_DOUBLE = 2.0**53
RANGE = 2.0**90
"""Magnitudes up to here are far from the largest number, and those of their products, too."""
UNEQUAL = 2.0**20
"""Where most costs are at least the largest over this, float64 has bits to spare for millions of swaps."""
WHOLE = 1e-6
"""Quotients of whole numbers in float64 are closer to the whole numbers that they are."""


class ProductGround:
    """Where `evolve` searches: m vertices, of which the last m − n cost nothing, at m locations.

    Attributes:
        size: m.
        allowed_everywhere: nothing is forbidden.
        resolves: no cost is lost beside a larger one, whatever the search adds up.
    """

    def __init__(self, products: Products, random: numpy.random.Generator) -> None:
        products, (n, m) = in_whole_numbers(products), products.vertex.shape
        self.size, self.allowed_everywhere = m, bool(numpy.isfinite(products.vertex).all())
        # Equal gains are decided by number. Under random names that is a random choice, and cannot leak a label.
        self._names, self._places = random.permutation(m), random.permutation(m)
        a, vertex = numpy.zeros((m, m)), numpy.zeros((m, m))
        a[:n, :n], vertex[:n] = products.a, products.vertex
        a, b = a[numpy.ix_(self._names, self._names)], products.b[numpy.ix_(self._places, self._places)]
        vertex = vertex[numpy.ix_(self._names, self._places)]
        self._n, self._banned = n, numpy.isinf(vertex)
        terms = _terms(a, b)
        reach = _reach(vertex[~self._banned], terms)
        self.resolves = _exact(vertex[~self._banned], terms, reach, EXACT_IN_DOUBLE) or _alike(vertex, terms, reach)
        vertex[self._banned] = m * reach  # more than any matching saves
        kind = numpy.float32 if self.allowed_everywhere and _exact(vertex, terms, reach, EXACT) else numpy.float64
        self._idle = ~(a.any(0) | a.any(1) | vertex.any(1))
        self._spare = ~(b.any(0) | b.any(1) | vertex.any(0))
        stride = -(-m // LANES) * LANES
        self._a, self._b = (_padded(numpy.stack([x[k] for x in terms]), stride, kind).ravel() for k in (0, 1))
        self._signs = numpy.array([x[2] for x in terms], kind)
        self._vertex = _padded(vertex, stride, kind)

    def search(
        self, where: numpy.ndarray, iterations: int, random: numpy.ndarray, stop: numpy.ndarray
    ) -> tuple[float, numpy.ndarray]:
        """Energy and assignment of one tabu search from `where [m]`, which it overwrites; +inf if it met none."""
        best = numpy.empty(self.size, numpy.int64)
        energy = search(
            iterations, self._a, self._b, self._signs, self._vertex, self._banned, not self.allowed_everywhere,
            self._idle, self._spare, random, stop, where, best,
        )  # fmt: skip
        return float(energy), best

    def assigned(self) -> numpy.ndarray | None:
        """The linear assignment of the vertex costs `[m]`; None if none is allowed."""
        from gmssl.parts.solvers.assignment.lap_numba import assign_rectangular

        # Under the random names, as ties are decided by number here, too.
        costs = numpy.where(self._banned, numpy.inf, self._vertex[:, : self.size]).astype(numpy.float64)
        where, u, v = numpy.empty(self.size, numpy.int64), numpy.empty(self.size), numpy.empty(self.size)
        return where if assign_rectangular(costs, where, u, v) else None

    def begin(self, columns: numpy.ndarray) -> numpy.ndarray:
        """The assignment `[m]` of `columns [n]`, a matching of all n vertices."""
        located = numpy.empty(self.size, numpy.int64)
        located[self._places] = numpy.arange(self.size)
        rest = numpy.setdiff1d(numpy.arange(self.size), columns)
        return located[numpy.concatenate([columns, rest])[self._names]]

    def columns(self, where: numpy.ndarray) -> numpy.ndarray:
        """The column of each of the n vertices."""
        chosen = numpy.empty(self.size, numpy.int64)
        chosen[self._names] = self._places[where]
        return chosen[: self._n]


def _terms(a: numpy.ndarray, b: numpy.ndarray) -> list[tuple[numpy.ndarray, numpy.ndarray, int]]:
    """Symmetric parts with symmetric parts, antisymmetric with antisymmetric: no matching pays for a mixed product."""
    terms = [((a + a.T) / 2, (b + b.T) / 2, 1)]
    turns, twists = (a - a.T) / 2, (b - b.T) / 2
    if turns.any() and twists.any():
        terms.append((turns, twists, -1))
    return terms


def _reach(vertex: numpy.ndarray, terms: list[tuple[numpy.ndarray, numpy.ndarray, int]]) -> float:
    """No sum that the kernel forms for one vertex or one swap is larger."""
    sums = sum((numpy.sort(abs(x), 1) @ numpy.sort(abs(y), 1).T).max() for x, y, _ in terms)
    return float(4 * abs(vertex).max(initial=0.0) + 8 * sums) or 1.0


def in_range(products: Products) -> bool:
    """Whether nothing overflows or underflows that the search adds and multiplies."""
    largest = [abs(x).max(initial=0.0) for x in (products.a, products.b)]
    dearest = abs(products.vertex[numpy.isfinite(products.vertex)]).max(initial=0.0)
    return all(1 / RANGE < x < RANGE for x in largest) and bool(dearest < RANGE)


def in_whole_numbers(products: Products) -> Products:
    """The same products of whole numbers where these are found: what is given is divided by the largest cost."""
    a = products.a
    if not (a == numpy.round(a)).all() or abs(a).max(initial=0.0) >= EXACT_IN_DOUBLE:
        return products
    divisor = int(numpy.gcd.reduce(abs(a).astype(numpy.int64), axis=None))
    b = products.b * divisor
    whole = numpy.round(b)
    near = divisor > 0 and bool((abs(b - whole) <= WHOLE).all()) and abs(whole).max(initial=0.0) < EXACT
    return replace(products, a=a / divisor, b=whole) if near else products


def _alike(vertex: numpy.ndarray, terms: list[tuple[numpy.ndarray, numpy.ndarray, int]], reach: float) -> bool:
    """Whether few costs are much smaller than the largest."""
    for x in (y for term in terms for y in term[:2]):
        sizes = abs(x[x != 0])
        if sizes.size and not sizes.max() < UNEQUAL * numpy.quantile(sizes, 0.01):
            return False
    edges = _reach(vertex[:0], terms)
    return reach < UNEQUAL * edges


def _exact(
    vertex: numpy.ndarray, terms: list[tuple[numpy.ndarray, numpy.ndarray, int]], reach: float, below: float
) -> bool:
    """Whether every sum is a whole number of quarters that is less than `below`."""
    whole = bool((vertex == numpy.round(vertex)).all())
    whole &= all(bool((2 * x == numpy.round(2 * x)).all()) for term in terms for x in term[:2])
    return whole and 4 * reach < below


def _padded(array: numpy.ndarray, stride: int, kind: type) -> numpy.ndarray:
    padded = numpy.zeros((*array.shape[:-1], stride), kind)
    padded[..., : array.shape[-1]] = array
    return padded
