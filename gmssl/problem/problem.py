"""`Problem` and `Solution`. Shapes, dtypes, devices, indices and finiteness are checked here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.problem.gap import difference_of, relative_gap
from gmssl.problem.pairs import Costs, Matching, Pairs
from gmssl.problem.topology import Topology


@dataclass(frozen=True, eq=False)
class Problem:
    """A batch of G second-order matching problems (Lawler's QAP): minimise ⟨costs, matching⟩.

    A matching assigns min(n, m) vertices one to one; the rest of the larger side stays unmatched. In a *partial*
    problem any vertex may stay unmatched: all one-to-one matchings compete, including the empty one, whose energy is 0.

    Attributes:
        costs: `Pairs` of `vertex [G,n,m]` and `edge [G,E,F]`, floating point, minimised.
        topology: edges of both graphs and the allowed vertex pairs.
        target: what the matching should be, `[G,n,m]`, rows of numbers ≥ 0 that sum to at most 1; 0 and 1 for a
            matching, or None.
    """

    costs: Costs
    topology: Topology
    target: torch.Tensor | None = None

    @classmethod
    def build(
        cls,
        vertex: torch.Tensor,
        left_edges: torch.Tensor,
        right_edges: torch.Tensor,
        edge: torch.Tensor,
        allowed: torch.Tensor | None = None,
        target: torch.Tensor | None = None,
        partial: bool = False,
    ) -> Problem:
        """Check the tensors and put them together.

        Args:
            vertex: costs of vertex pairs `[G,n,m]`; G may be 0.
            left_edges: directed edges of the left graphs `[G,E,2]`, integers in `0..n-1`.
            right_edges: directed edges of the right graphs `[G,F,2]`, integers in `0..m-1`.
            edge: costs of edge pairs `[G,E,F]`.
            allowed: bool `[G,n,m]`; None allows every pair.
            target: what the matching should be `[G,n,m]`, or None.
            partial: matchings may leave any vertex unmatched; see also `partially`.

        Raises:
            ProblemError: a wrong shape, dtype, device or index, or a cost that is NaN or infinite (with its instance).
        """
        if allowed is None:
            _expect_rank("vertex", vertex, 3)
            allowed = torch.ones((), dtype=torch.bool, device=vertex.device).expand(vertex.shape)
        problem = cls(Pairs(vertex, edge), Topology(left_edges, right_edges, allowed, partial), target)
        _check_shapes(problem)
        _check_types(problem)
        _check_indices(problem.topology, vertex.shape[1], vertex.shape[2])
        _check_values(problem)
        return problem

    def with_costs(self, costs: Costs) -> Problem:
        """The same problem under other costs of the same shapes, which are not checked; estimators perturb costs so."""
        return replace(self, costs=costs)

    def partially(self, unmatched: torch.Tensor | float = 0.0) -> Problem:
        """The same problem, in which each of the min(n, m) pairs may be left out at the cost `unmatched`.

        The energy stays the inner product of costs and matching: leaving a pair out for u is matching it for u less, so
        vertex costs become c − u, and the energy of a matching with k pairs is lower by u · min(n, m) than its total
        Σ c + u · (min(n, m) − k).

        Args:
            unmatched: one cost, or one for each instance `[G]`.
        """
        given = self.costs.vertex
        vertex = given - torch.as_tensor(unmatched, dtype=given.dtype, device=given.device).view(-1, 1, 1)
        return replace(self.with_costs(Pairs(vertex, self.costs.edge)), topology=replace(self.topology, partial=True))

    def detach(self) -> Problem:
        """The same problem with costs cut off from the autograd graph."""
        return self.with_costs(self.costs.detach())

    def repeat(self, samples: int) -> Problem:
        """Fold `samples` copies into the batch, sample-major."""
        target = self.target if self.target is None or samples == 1 else self.target.repeat(samples, 1, 1)
        return Problem(self.costs.repeat(samples), self.topology.repeat(samples), target)

    def select(self, instances: torch.Tensor | slice) -> Problem:
        """The instances named by an index, a boolean mask or a slice of the batch; a slice copies nothing."""
        target = None if self.target is None else self.target[instances]
        return Problem(self.costs.select(instances), self.topology.select(instances), target)


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Lagrange multipliers of `gmssl.parts.solvers.lagrange.lagrange`, whose page in the documentation names them.

    Attributes:
        tail, head: `[G,P,L]` float32, multipliers of the consistency of P adjacent vertex pairs with either of their
            vertices.
        capacity: `[G,S,L,L]` float32, ≥ 0, multipliers of the second view. S ≤ L are the sizes of the shorter and
            longer side.
    """

    tail: torch.Tensor
    head: torch.Tensor
    capacity: torch.Tensor

    def select(self, instances: torch.Tensor | slice) -> Multipliers:
        """The instances named by an index, a boolean mask or a slice of the batch; a slice copies nothing."""
        return Multipliers(self.tail[instances], self.head[instances], self.capacity[instances])


@dataclass
class BackwardRecord:
    """What an estimator learnt in its backward pass; it is filled after `Solution` was returned.

    Attributes:
        certified: share of instances whose second solve was skipped, because a bound proves the target is its solution.
        target_is_truth: share of instances whose second solution equals the ground truth, proven or found.
        seconds: wall time of the backward pass.
    """

    certified: float | None = None
    target_is_truth: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Solution:
    """The result of a solver.

    Attributes:
        matching: `Pairs` of `vertex [G,n,m]` and `edge [G,E,F]`.
        energy: `[G]`, energy of `matching` under the costs that were solved.
        bound: `[G]` proven lower bounds on the energy of every matching, or None.
        converged: bool `[G]`; True if the matching is proven optimal: `gap` is within the solver's tolerance. Of a
            relaxed solver, that its iteration reached its tolerance.
        multipliers: of the Lagrangean that gave the bound, to warm-start the next solve (`Lagrange.solve`), or None.
        agreed: bool `[G]`; True if the search stopped by its own rule before its budget, for example since several
            searches ended at the same energy. That proves nothing. None where a solver has no such rule.
        backward: what the estimator's backward pass did; that pass fills it.
        difference: `[G]` float64, energy − bound before either was rounded to the dtype of the costs, for `gap`; or
            None.
        decisive: `[G]` float64, what the energy can exceed the optimum by, where a constant that all matchings pay is
            much larger, and else +inf, for `gap`; or None.
    """

    matching: Matching
    energy: torch.Tensor
    bound: torch.Tensor | None
    converged: torch.Tensor
    multipliers: Multipliers | None = None
    agreed: torch.Tensor | None = None
    backward: BackwardRecord = field(default_factory=BackwardRecord)
    difference: torch.Tensor | None = None
    decisive: torch.Tensor | None = None

    @property
    def gap(self) -> torch.Tensor | None:
        """Relative gap `[G]`, float64: (energy − bound) / min(|energy|, `decisive`); None without a bound.

        It is 0 where rounding alone tells energy and bound apart, and +inf where anything else does at energy 0.
        """
        if self.bound is None:
            return None
        difference = difference_of(self.energy, self.bound, self.difference)
        return relative_gap(difference, self.energy, self.decisive)

    def judged(self, tolerance: float) -> Solution:
        """The same solution with a bound, `converged` where its gap is within the tolerance."""
        assert self.gap is not None, "only a bound proves anything"
        return replace(self, converged=self.gap <= tolerance)


def _expect_rank(name: str, tensor: torch.Tensor, rank: int) -> None:
    if not isinstance(tensor, torch.Tensor):
        raise ProblemError(f"{name} is a {type(tensor).__name__}; pass a torch.Tensor (torch.as_tensor converts).")
    if tensor.ndim != rank:
        raise ProblemError(f"{name} has shape {_shape(tensor)}; it needs {rank} dimensions, batch first (add x[None]).")


def _shape(tensor: torch.Tensor) -> str:
    return "[" + ",".join(map(str, tensor.shape)) + "]"


def _check_shapes(problem: Problem) -> None:
    costs, topology = problem.costs, problem.topology
    named = {
        "vertex": costs.vertex,
        "left_edges": topology.left,
        "right_edges": topology.right,
        "edge": costs.edge,
        "allowed": topology.allowed,
    }
    if problem.target is not None:
        named["target"] = problem.target
    for name, tensor in named.items():
        _expect_rank(name, tensor, 3)
    graphs, n, m = costs.vertex.shape
    if n == 0 or m == 0:
        raise ProblemError(f"vertex has shape {_shape(costs.vertex)}; each side needs at least one vertex.")
    expected = {
        "left_edges": (graphs, topology.left.shape[1], 2),
        "right_edges": (graphs, topology.right.shape[1], 2),
        "edge": (graphs, topology.left.shape[1], topology.right.shape[1]),
        "allowed": (graphs, n, m),
        "target": (graphs, n, m),
    }
    letters = {
        "left_edges": "[G,E,2]",
        "right_edges": "[G,F,2]",
        "edge": "[G,E,F]",
        "allowed": "[G,n,m]",
        "target": "[G,n,m]",
    }
    for name, tensor in list(named.items())[1:]:
        if tuple(tensor.shape) != expected[name]:
            wanted = "[" + ",".join(map(str, expected[name])) + "]"
            raise ProblemError(
                f"{name} has shape {_shape(tensor)}, but vertex {_shape(costs.vertex)} and the edges ask for "
                f"{wanted}; pass {letters[name]} with the same G, n, m, E, F everywhere."
            )


def _check_types(problem: Problem) -> None:
    costs, topology = problem.costs, problem.topology
    device = costs.vertex.device
    if not costs.vertex.is_floating_point() or costs.edge.dtype != costs.vertex.dtype:
        raise ProblemError(
            f"costs have dtypes {costs.vertex.dtype} (vertex) and {costs.edge.dtype} (edge); "
            "pass one floating point dtype for both, float32 or float64."
        )
    for name, tensor in (("left_edges", topology.left), ("right_edges", topology.right)):
        if tensor.dtype != torch.int64:
            raise ProblemError(f"{name} has dtype {tensor.dtype}; pass int64 indices ({name}.long()).")
    if topology.allowed.dtype != torch.bool:
        raise ProblemError(f"allowed has dtype {topology.allowed.dtype}; pass a bool mask (allowed.bool()).")
    for name, other in (
        ("edge", costs.edge),
        ("left_edges", topology.left),
        ("right_edges", topology.right),
        ("allowed", topology.allowed),
        ("target", problem.target),
    ):
        if other is not None and other.device != device:
            raise ProblemError(f"{name} is on {other.device}, vertex on {device}; move all tensors to one device.")


def _check_indices(topology: Topology, n: int, m: int) -> None:
    for name, edges, vertices in (("left_edges", topology.left, n), ("right_edges", topology.right, m)):
        if edges.numel() == 0:
            continue
        least, most = edges.aminmax()
        if bool((least < 0) | (most >= vertices)):
            outside = (edges < 0) | (edges >= vertices)
            graph, row, _ = (int(i) for i in outside.nonzero()[0])
            raise ProblemError(
                f"{name} of instance {graph} names vertex {edges[graph, row].tolist()} in row {row}; "
                f"there are {vertices} vertices, so use indices 0..{vertices - 1}."
            )


def _check_values(problem: Problem) -> None:
    for name, values in (("vertex", problem.costs.vertex), ("edge", problem.costs.edge)):
        # A sum over NaN or infinity is not finite: one pass, no mask. It may also overflow: then look closer.
        if bool(torch.isfinite(values.sum())):
            continue
        finite = torch.isfinite(values)
        if not bool(finite.all()):
            bad = (~finite.flatten(1).all(1)).nonzero().flatten().tolist()
            graph, i, j = (int(k) for k in (~finite).nonzero()[0])
            raise ProblemError(
                f"{name} costs of instance {graph} are not finite: {values[graph, i, j].item()} at [{i},{j}] "
                f"({len(bad)} of {values.shape[0]} instances are affected). Forbid pairs with `allowed`, not with inf; "
                "for NaN look at the embeddings and the learning rate."
            )
    target = problem.target
    if target is not None:
        if not bool((target >= 0).all() & (target.sum(2) <= 1 + 1e-3).all()):
            raise ProblemError("target is not a matching of rows: use numbers ≥ 0 that sum to at most 1 in each row.")
        if bool(((target > 0) & ~problem.topology.allowed).any()):
            raise ProblemError("target matches a pair that `allowed` forbids; allow the pairs of the target.")
