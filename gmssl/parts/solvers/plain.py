"""Problems of any scale as *plain* ones: the same optimal matchings, under costs as large as what decides among them.

Searches count in fixed point and ascents step in float32, both relative to the largest cost. That cost may decide
nothing: it is a constant that all matchings pay, as distances with an offset have it, or one that no optimum pays, as
a forbidden pair that is written as 10⁸. Let n ≤ m, so that every row is matched, and

    u_i = min_s c_is,  v_s = min_i c_is − u_i if n = m, else 0     constants of rows and columns
    c'_is = c_is − u_i − v_s ≥ 0
    μ_e = min(0, min_f c_ef),  r = the most equal right edges      a left edge e adds r μ_e at least
    L   = Σ u_i + Σ v_s + Σ r μ_e                                  is at most the energy of every matching
    B   = E − L ≥ 0                                                for the energy E of any known matching

A matching with i at s has at least the energy L + c'_is, and one that matches e with f at least L + c_ef − μ_e. Above E
neither is in an optimum. Such pairs of vertices become forbidden, and such pairs of edges cost μ_e + 2B, which keeps
every matching that has one above E. What is left lies in [0, B] for vertices and in [μ_e, μ_e + 2B] for edges, and is
scaled by a power of two.

If the right graph is complete, a left edge meets one right edge in every matching, or r equal ones, and what all its
costs have in common is a constant; so it is for a right edge, if m ≤ n and the left graph is complete. Where such
constants may be most of what edges cost, they are taken out of c first, and μ_e is 0.

Gilmore (1962) and Lawler (1963) bound quadratic assignment in the same way, by constants of rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gmssl.lazy import numpy, torch
from gmssl.parts.solvers.outcome import paid_by_edges
from gmssl.problem import Pairs, Problem, Topology, vertex_matching

ORDINARY = 64
"""Costs that are at most this much larger than the plain ones stay as they are, to the last bit."""
RANGE = 2.0**-90, 2.0**90
"""Magnitudes whose products and sums float32 carries with room to spare."""
SAMPLE = 32
"""Right edges by which constants of edges are looked for."""
MARGIN = 1e-9
"""Relative to B: rounding of B itself forbids nothing that an optimum has."""
BLOCK = 2**18
"""Edge costs that are changed at once: temporary numbers of so few stay in the cache of a processor."""


@dataclass(frozen=True, eq=False)
class Plain:
    """Plain problems, float64.

    Attributes:
        problem: G problems; those that were ordinary have the given costs.
        changed: `[G]` bool, which were not.
        factor: `[G]` float64, by what costs were multiplied, a power of two; 1 for ordinary ones.
        decisive: `[G]` float64, B in these units: the known matching is no farther from the optimum.
    """

    problem: Problem
    changed: torch.Tensor
    factor: torch.Tensor
    decisive: torch.Tensor

    @property
    def coarse(self) -> torch.Tensor:
        """`[G]` bool: a large cost decides, so that small ones are lost beside it in 22 bits."""
        return self.changed & (self.largest * 2.0**-20 > self.decisive) & (self.decisive > 0)

    @property
    def largest(self) -> torch.Tensor:
        """`[G]` float64, the largest magnitude of costs in these units."""
        return _largest(self.problem, _look(self.problem.costs))


def plain(problem: Problem, columns: torch.Tensor) -> Plain | None:
    """Plain problems for a batch, or None if all are ordinary.

    Args:
        problem: G problems that are not partial.
        columns: `[G,n]`, −1 or ≥ m where unmatched, a matching of each: the better, the more is known to be too dear.
    """
    seen = _look(problem.costs)
    perhaps = _perhaps_constants(problem, seen.ends)
    if seen.ordinary and (perhaps is None or not bool(perhaps.any())):
        return None
    costs, topology, allowed = problem.costs, problem.topology, problem.topology.allowed
    before = _largest(problem, seen)
    first, outside = _into_range(before)  # else differences of costs near 10³⁰⁸ would overflow
    given, met = costs.vertex.double() * first[:, None, None], _Met(costs.edge, first, seen.ends)
    if perhaps is not None:
        met = _without_constants(problem, met, perhaps)
    low, high = met.factor[:, None] * met.ends.double()
    least = low.clamp(max=0)
    vertex = _reduced(given.masked_fill(~allowed, torch.inf))
    matched = vertex_matching(columns, vertex.shape[2], torch.bool)
    paid = paid_by_edges(problem.with_costs(Pairs(given.to(met.edge), met.edge)), columns, met.factor)
    slack = (vertex.masked_fill(~allowed, 0) * matched).sum((1, 2)) + (paid - _repeats(topology) * least).sum(1)
    limit, raised = slack[:, None] * (1 + MARGIN), least + 2 * slack[:, None]
    cheap = allowed & ((vertex <= limit[:, None]) | matched)
    kept = vertex.masked_fill(~cheap, 0)
    # What edges cost grows with what they cost before, so that extremes tell how large the others are.
    after = [torch.where(x - least > limit, torch.minimum(x, raised), x).abs() for x in (low, high)]
    largest = torch.cat([kept.abs().flatten(1), *after], 1).amax(1)
    changed = outside | (before * first > ORDINARY * largest)
    if not bool(changed.any()):
        return None
    second, pick = torch.where(changed & (largest > 0), _to_one(largest), 1.0), changed[:, None, None]
    edge = torch.empty_like(costs.edge, dtype=torch.float64)
    for part in _blocks(edge):  # whole tables of temporary numbers take longer than all else
        now, base = met.edge[:, part].double() * met.factor[:, None, None], least[:, part, None]
        now = torch.where(now - base > limit[:, None], torch.minimum(now, raised[:, part, None]), now)
        ordinary = costs.edge[:, part].double() * first[:, None, None]
        edge[:, part] = torch.where(pick, now * second[:, None, None], ordinary)
    chosen = torch.where(pick, kept * second[:, None, None], given)
    left = Topology(topology.left, topology.right, torch.where(pick, cheap, allowed))
    return Plain(Problem(Pairs(chosen, edge), left), changed, first * second, slack * second)


def cheap_bound(problem: Problem) -> torch.Tensor:
    """L of problems with n ≤ m, rounded down: a lower bound `[G]`, float64, in no time; −inf if it overflows."""
    costs, (n, m) = problem.costs, problem.costs.vertex.shape[1:]
    vertex = costs.vertex.double().masked_fill(~problem.topology.allowed, torch.inf)
    rows = _finite(vertex.amin(2))
    columns = _finite((vertex - rows[:, :, None]).amin(1)) if n == m else rows[:, :0]
    terms = torch.cat([rows, columns, _repeats(problem.topology) * _least(costs.edge).double()], 1)
    # Each term is rounded once or twice, and each addition loses half a unit of a sum that is at most this large.
    lost = (terms.shape[1] + 4) * 2.0**-52 * terms.abs().sum(1)
    bound = terms.sum(1) - lost
    return torch.where(bound.isfinite(), bound, -torch.inf)


def _finite(least: torch.Tensor) -> torch.Tensor:
    """Without the infinities of vertices that may go nowhere."""
    return least.masked_fill(least.isinf(), 0)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A first look at all costs.

    Attributes:
        ends: `[2,G,E]`, the least and the largest cost of each left edge; zeros where there is none.
        ordinary: all instances are so plainly, as in training, where some edge pairs pay: the least cost of edges is
            some μ_e, which plain costs keep.
    """

    ends: torch.Tensor
    ordinary: bool


def _look(costs: Pairs) -> _Seen:
    edge, vertex = costs.edge, costs.vertex
    if not edge.numel():
        return _Seen(edge.new_zeros(2, *edge.shape[:2]), ordinary=False)
    if edge.device.type == "cpu" and edge.dtype in (torch.float32, torch.float64):
        return _look_once(vertex.contiguous().numpy(), edge.contiguous().numpy())
    ends = torch.stack(edge.aminmax(dim=2))
    low, high = ends[0].double().amin(1), ends[1].double().amax(1)
    largest = torch.maximum(torch.maximum(-low, high), vertex.abs().amax((1, 2)))
    inside = (largest > RANGE[0]) & (largest < RANGE[1])
    return _Seen(ends, bool((inside & (largest <= ORDINARY * -low)).all()))


def _look_once(vertex: numpy.ndarray, edge: numpy.ndarray) -> _Seen:
    """One pass, a hundredth of a search."""
    from gmssl.parts.solvers.kernels.extremes_numba import look

    (graphs, edges, _), whole = edge.shape, f"i{edge.itemsize}"
    ends = numpy.empty((2, graphs, edges + 1), edge.dtype)
    ordinary = look(vertex.reshape(graphs, -1).view(whole), edge.view(whole), ends.view(whole), ends, ORDINARY, *RANGE)
    return _Seen(torch.from_numpy(ends)[..., :edges], ordinary)


@dataclass(frozen=True, eq=False)
class _Met:
    """What edges cost that meet.

    Attributes:
        edge: `[G,E,F]`.
        factor: `[G]` float64, by which these are multiplied.
        ends: `[2,G,E]`, their extremes, as in `_Seen`.
    """

    edge: torch.Tensor
    factor: torch.Tensor
    ends: torch.Tensor


def _perhaps_constants(problem: Problem, ends: torch.Tensor) -> torch.Tensor | None:
    """Bool `[G]`: edge costs may be constants for the most part, by the middle of what tells two left edges apart.

    None where there are too few edges for a complete graph.

    Args:
        problem: of any costs.
        ends: `[2,G,E]`, extremes of the costs of left edges.
    """
    edge, (n, m) = problem.costs.edge, problem.costs.vertex.shape[1:]
    left, right = edge.shape[1:]
    complete = (n <= m and right >= m * (m - 1)) or (m <= n and left >= n * (n - 1))
    if not (left and right and complete):
        return None
    differences = edge[:, left // 2, :SAMPLE].double() - edge[:, 0, :SAMPLE].double()
    middle = (differences - differences.median(1, keepdim=True).values).abs().median(1).values
    return ends.abs().amax((0, 2)).double() > ORDINARY * middle


def _without_constants(problem: Problem, met: _Met, perhaps: torch.Tensor) -> _Met:
    """Costs without constants of edges that every matching meets, where these may be most of them."""
    topology, (n, m) = problem.topology, problem.costs.vertex.shape[1:]
    dwarfed = perhaps & ~_loops(topology.left) & ~_loops(topology.right)
    if not bool(dwarfed.any()):
        return met
    edge = met.edge.double() * met.factor[:, None, None]
    for side, always, other, size in ((2, n <= m, topology.right, m), (1, m <= n, topology.left, n)):
        if always:
            constants = edge.amin(side, keepdim=True)
            edge = edge - constants.where((dwarfed & _complete(other, size))[:, None, None], 0.0)
    return _Met(edge, torch.ones_like(met.factor), torch.stack(edge.aminmax(dim=2)))


def _loops(edges: torch.Tensor) -> torch.Tensor:
    """Bool `[G]`: some edge is a loop, which meets none of a graph without loops."""
    return (edges[..., 0] == edges[..., 1]).any(1)


def _complete(edges: torch.Tensor, vertices: int) -> torch.Tensor:
    """Bool `[G]`: edges `[G,E,2]` between all different vertices, in both directions, equally often."""
    counts = _counts(edges, vertices)
    counts = counts[:, ~torch.eye(vertices, dtype=torch.bool, device=edges.device).flatten()]
    return (counts > 0).all(1) & (counts == counts[:, :1]).all(1)


def in_range(problem: Problem) -> tuple[Problem, torch.Tensor]:
    """The problem in float64, scaled by a power of two where costs are outside `RANGE`; and that factor `[G]`."""
    factor, _ = _into_range(_largest(problem, _look(problem.costs)))
    return problem.with_costs(problem.costs.map(torch.Tensor.double).scale(factor)), factor


def _into_range(largest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The factor, and whether it is needed, `[G]`, of costs with these largest magnitudes."""
    outside = (largest > 0) & ((largest < RANGE[0]) | (largest > RANGE[1]))
    return torch.where(outside, _to_one(largest), 1.0), outside


def single_precision(problem: Problem) -> Pairs:
    """Costs in float32, float64 ones as `in_range` scales them; others keep their bits."""
    if problem.costs.vertex.dtype != torch.float64:
        return problem.costs.map(lambda x: x.float())
    scaled, _ = in_range(problem)
    # What is forbidden may cost anything, and searches count in units of the largest cost.
    limit = ORDINARY * _largest(scaled, _look(scaled.costs))[:, None, None]
    return Pairs(scaled.costs.vertex.clamp(-limit, limit).float(), scaled.costs.edge.float())


def _to_one(largest: torch.Tensor) -> torch.Tensor:
    """The power of two that takes a magnitude to 1 … 2, as far as there is one."""
    return torch.exp2(-torch.log2(largest.clamp(min=1e-300)).floor())


def _reduced(vertex: torch.Tensor) -> torch.Tensor:
    """Vertex costs `[G,n,m]`, +inf where forbidden, without the constants of the vertices that are always matched."""
    n, m = vertex.shape[1:]
    for side, always in ((2, n <= m), (1, m <= n)):
        if always:
            least = vertex.amin(side, keepdim=True)
            vertex = vertex - least.masked_fill(least.isinf(), 0)
    return vertex


def _least(edge: torch.Tensor) -> torch.Tensor:
    """μ `[G,E]`."""
    if not edge.shape[2]:
        return edge.new_zeros(edge.shape[:2])
    return edge.amin(2).clamp(max=0)


def _repeats(topology: Topology) -> torch.Tensor:
    """r `[G,1]`: how many right edges are equal at most, 1 at least."""
    return _counts(topology.right, topology.allowed.shape[2]).amax(1, keepdim=True).clamp(min=1)


def _counts(edges: torch.Tensor, vertices: int) -> torch.Tensor:
    """How often each ordered pair of vertices is an edge `[G,vertices²]`, float64."""
    places = edges[..., 0] * vertices + edges[..., 1]
    counts = torch.zeros(len(edges), vertices**2, dtype=torch.float64, device=edges.device)
    return counts.scatter_add_(1, places, torch.ones_like(places, dtype=torch.float64))


def _largest(problem: Problem, seen: _Seen) -> torch.Tensor:
    """Largest magnitude of allowed costs `[G]`, float64."""
    found = problem.costs.vertex.abs().masked_fill(~problem.topology.allowed, 0).amax((1, 2)).double()
    return torch.cat([found[:, None], *seen.ends.double().abs()], 1).amax(1)


def _blocks(edge: torch.Tensor) -> Iterator[slice]:
    """Ranges of left edges that have about `BLOCK` costs of `edge [G,E,F]`."""
    rows = max(1, BLOCK // max(1, len(edge) * edge.shape[2]))
    for lo in range(0, edge.shape[1], rows):
        yield slice(lo, lo + rows)
