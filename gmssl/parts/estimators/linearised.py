"""Identity and straight-through: the derivative of the edge matching to first order around the matching of vertices.

The matching of edges is a product, z_ef = x_is x_jt for e = (i,j), f = (s,t), so that a change h of x changes it by

    (D h)_ef = h_is x_jt + x_is h_jt.

D carries estimators that are defined for linear costs, those of one-of-n choices or assignments, to Lawler's problem:
the energy ⟨c_v, x⟩ + ⟨c_e, z(x)⟩ has the derivative c_v + Dᵀ c_e in x, the linear costs of the Frank–Wolfe step at x
(Vogelstein et al. 2015); a relaxed solution x(c_v + Dᵀ c_e), D held fixed, has the Jacobian (I; D) x' (I; D)ᵀ with
respect to the costs of vertices and edges. It is symmetric, and negative semidefinite if x' is. Without edges it is x'.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.estimator import GradientEstimator, Noise
from gmssl.interfaces.registry import field_of, part
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.parts.estimators.forward import Forward, Sampling
from gmssl.problem import Pairs, Problem, Solution, Topology


def pushed(change: torch.Tensor, vertex: torch.Tensor, topology: Topology) -> torch.Tensor:
    """D h, `[G,E,F]`.

    Args:
        change: h `[G,n,m]`.
        vertex: x `[G,n,m]`, where D is taken.
        topology: edges of both graphs.
    """
    tails, heads = _ends(vertex, topology)
    return _at(change, topology, 0) * heads + tails * _at(change, topology, 1)


def pulled(edge: torch.Tensor, vertex: torch.Tensor, topology: Topology) -> torch.Tensor:
    """Dᵀ of numbers for edge pairs `[G,E,F]`, `[G,n,m]`; see `pushed`."""
    tails, heads = _ends(vertex, topology)
    return _collected(edge * heads, topology, 0, vertex) + _collected(edge * tails, topology, 1, vertex)


def _ends(vertex: torch.Tensor, topology: Topology) -> tuple[torch.Tensor, torch.Tensor]:
    """x_is and x_jt, `[G,E,F]`."""
    return _at(vertex, topology, 0), _at(vertex, topology, 1)


def _at(vertex: torch.Tensor, topology: Topology, end: int) -> torch.Tensor:
    """The number of the vertex pair at one end of each edge pair, `[G,E,F]`."""
    left, right = topology.left[..., end], topology.right[..., end]
    rows = vertex.gather(1, left[:, :, None].expand(-1, -1, vertex.shape[2]))
    return rows.gather(2, right[:, None, :].expand(-1, left.shape[1], -1))


def _collected(edge: torch.Tensor, topology: Topology, end: int, like: torch.Tensor) -> torch.Tensor:
    """Sums over the edge pairs whose end is a vertex pair; by matrices, whose sums have one order on every device."""
    n, m = like.shape[1:]
    rows, columns = (
        torch.nn.functional.one_hot(ends[..., end], size).to(edge)
        for ends, size in ((topology.left, n), (topology.right, m))
    )
    return rows.mT @ edge @ columns


class Identity(GradientEstimator):
    """Negative identity (Sahoo et al. 2023): ∂L/∂c = −∂L/∂x, without a second solve and without λ.

    An entry whose loss falls when it enters the matching gets cheaper. With edges the solver is −I on the *linearised*
    costs c_v + Dᵀ c_e (`gmssl.parts.estimators.linearised`; our extension, the paper knows linear costs only):

        h = ∂L/∂x + Dᵀ ∂L/∂z_e,    ∂L/∂c_v = −h,    ∂L/∂c_e = −D h,    forbidden pairs of h set to 0.

    Hence ⟨∂L/∂z, ∂L/∂c⟩ = −‖h‖² ≤ 0, and without edges it is the paper's. The gradient of a Hamming loss does not
    vanish where the matching is the target: costs must be bounded, as cosines are (the paper's projection onto the
    sphere), or separations grow without end. `noise` is the paper's margin.
    """

    kind: ClassVar[str] = "identity"

    noise: field_of(Noise) = Field(  # type: ignore[valid-type]
        default_factory=lambda: part("noise", "none"), description="of vertex and edge costs"
    )

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`."""
        return Sampling(self.noise, self.noise).match(solver, problem, generator, _minus_identity)


def _minus_identity(done: Forward, upstream: Pairs) -> Pairs:
    x, topology = done.matching.vertex, done.problem.topology
    h = (upstream.vertex + pulled(upstream.edge, x, topology)) * topology.allowed
    return Pairs(-h, -pushed(h, x, topology))


class StraightThrough(GradientEstimator):
    """Straight-through estimation (Bengio, Léonard & Courville 2013) with the softmax of Jang, Gu & Poole 2017.

    Forward is the solver's matching x; backward is the derivative of a softmax at temperature τ for each vertex of the
    shorter side (each row if n ≤ m, else each column) over its allowed partners, taken at the costs that were solved:

        p_i = softmax(−c̃_i / τ),    ∂L/∂c̃_i = −(diag(p_i) − p_i p_iᵀ) h_i / τ,
        c̃ = c_v + Dᵀ c_e,    h = ∂L/∂x + Dᵀ ∂L/∂z_e,    ∂L/∂c_v = ∂L/∂c̃,    ∂L/∂c_e = D ∂L/∂c̃.

    D linearises the edges at x (see above; our extension), so that c̃_is is what partner s costs
    vertex i while its neighbours stay. The softmax knows nothing of the one-to-one rule of the other side. In a partial
    problem a vertex may also stay alone, at cost 0. With `noise: gumbel` of temperature 1 and without edges it is the
    straight-through Gumbel-softmax of each row. As diag(p) − ppᵀ ≥ 0, ⟨∂L/∂z, ∂L/∂c⟩ ≤ 0 for each draw.
    """

    kind: ClassVar[str] = "straight_through"

    temperature: float = Field(1.0, gt=0, description="τ of the softmax, in units of costs")
    noise: field_of(Noise) = Field(  # type: ignore[valid-type]
        default_factory=lambda: part("noise", "none"), description="of vertex and edge costs"
    )

    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """See `GradientEstimator.match`."""
        return Sampling(self.noise, self.noise).match(solver, problem, generator, self._through_softmax)

    def _through_softmax(self, done: Forward, upstream: Pairs) -> Pairs:
        x, problem = done.matching.vertex, done.problem
        topology = problem.topology
        h = upstream.vertex + pulled(upstream.edge, x, topology)
        p = self._softmax(problem, x)
        over = _longer_side(x)
        change = p * ((p * h).sum(over, keepdim=True) - h) / self.temperature
        return Pairs(change, pushed(change, x, topology))

    def _softmax(self, problem: Problem, x: torch.Tensor) -> torch.Tensor:
        """p, `[G,n,m]`."""
        topology, over = problem.topology, _longer_side(x)
        linear = problem.costs.vertex + pulled(problem.costs.edge, x, topology)
        logits = (linear / -self.temperature).masked_fill(~topology.allowed, -torch.inf)
        if not topology.partial:
            return logits.softmax(over)
        alone = torch.zeros_like(logits.narrow(over, 0, 1))
        return torch.cat([logits, alone], over).softmax(over).narrow(over, 0, logits.shape[over])


def _longer_side(x: torch.Tensor) -> int:
    """The dimension that a vertex of the shorter side chooses from."""
    return 2 if x.shape[1] <= x.shape[2] else 1
