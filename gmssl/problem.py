"""`Problem` and `Solution`. Here, and nowhere else, are shapes, dtypes, devices, indices and finiteness checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gmssl.errors import ProblemError
from gmssl.lazy import torch
from gmssl.pairs import Costs, Matching, Pairs
from gmssl.topology import Topology


@dataclass(frozen=True, eq=False)
class Problem:
    """A batch of G second-order matching problems (Lawler's QAP): minimise ⟨costs, matching⟩.

    A matching assigns min(n, m) vertices one to one; the rest of the larger side stays unmatched.

    Attributes:
        costs: `Pairs` of `vertex [G,n,m]` and `edge [G,E,F]`, floating point, minimised.
        topology: edges of both graphs and the allowed vertex pairs.
        target: ground-truth matching `[G,n,m]` of 0 and 1, or None.
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
    ) -> Problem:
        """Check the tensors and put them together.

        Args:
            vertex: costs of vertex pairs `[G,n,m]`.
            left_edges: directed edges of the left graphs `[G,E,2]`, integers in `0..n-1`.
            right_edges: directed edges of the right graphs `[G,F,2]`, integers in `0..m-1`.
            edge: costs of edge pairs `[G,E,F]`.
            allowed: bool `[G,n,m]`; None allows every pair.
            target: ground truth `[G,n,m]` of 0 and 1, or None.

        Raises:
            ProblemError: a wrong shape, dtype, device or index, or a cost that is NaN or infinite (with its instance).
        """
        if allowed is None:
            _expect_rank("vertex", vertex, 3)
            allowed = torch.ones((), dtype=torch.bool, device=vertex.device).expand(vertex.shape)
        problem = cls(Pairs(vertex, edge), Topology(left_edges, right_edges, allowed), target)
        _check_shapes(problem)
        _check_types(problem)
        _check_indices(problem.topology, vertex.shape[1], vertex.shape[2])
        _check_values(problem)
        return problem

    def with_costs(self, costs: Costs) -> Problem:
        """The same problem under other costs of the same shapes, unchecked: for estimators that perturb."""
        return replace(self, costs=costs)

    def detach(self) -> Problem:
        """The same problem with costs cut off from the autograd graph."""
        return self.with_costs(self.costs.detach())

    def repeat(self, samples: int) -> Problem:
        """Fold `samples` copies into the batch, sample-major."""
        target = self.target if self.target is None or samples == 1 else self.target.repeat(samples, 1, 1)
        return Problem(self.costs.repeat(samples), self.topology.repeat(samples), target)

    def select(self, instances: torch.Tensor) -> Problem:
        """The instances named by an index or boolean mask over the batch."""
        target = None if self.target is None else self.target[instances]
        return Problem(self.costs.select(instances), self.topology.select(instances), target)


@dataclass
class BackwardRecord:
    """What an estimator learnt in its backward pass; filled after `Solution` was returned.

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
    """What a solver found.

    Attributes:
        matching: `Pairs` of `vertex [G,n,m]` and `edge [G,E,F]`.
        energy: `[G]`, energy of `matching` under the costs that were solved.
        bound: `[G]` proven lower bounds on the energy of every matching, or None.
        converged: bool `[G]`: optimality proven, or the search stopped by its own rule before its budget.
        backward: what the estimator's backward pass did; filled by that pass.
    """

    matching: Matching
    energy: torch.Tensor
    bound: torch.Tensor | None
    converged: torch.Tensor
    backward: BackwardRecord = field(default_factory=BackwardRecord)


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
    if graphs == 0 or n == 0 or m == 0:
        raise ProblemError(
            f"vertex has shape {_shape(costs.vertex)}; pass at least one graph pair with one vertex a side."
        )
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
        outside = (edges < 0) | (edges >= vertices)
        if bool(outside.any()):
            graph, row, _ = (int(i) for i in outside.nonzero()[0])
            raise ProblemError(
                f"{name} of instance {graph} names vertex {edges[graph, row].tolist()} in row {row}; "
                f"there are {vertices} vertices, so use indices 0..{vertices - 1}."
            )


def _check_values(problem: Problem) -> None:
    for name, values in (("vertex", problem.costs.vertex), ("edge", problem.costs.edge)):
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
        binary = ((target == 0) | (target == 1)).all()
        if not bool(binary & (target.sum(1) <= 1).all() & (target.sum(2) <= 1).all()):
            raise ProblemError("target is not a matching: use 0 and 1, with at most one 1 in each row and column.")
        if bool(((target == 1) & ~problem.topology.allowed).any()):
            raise ProblemError("target matches a pair that `allowed` forbids; allow the pairs of the target.")
