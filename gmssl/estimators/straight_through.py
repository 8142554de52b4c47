"""Straight-through: the matching forward, a softmax backward."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.estimators.forward import Forward, Sampling
from gmssl.estimators.linearisation import pulled, pushed
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.noise import Noise
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution
from gmssl.registry import field_of, part


class StraightThrough(GradientEstimator):
    """Straight-through estimation (Bengio, Léonard & Courville 2013) with the softmax of Jang, Gu & Poole 2017.

    Forward is the solver's matching x; backward is the derivative of a softmax at temperature τ for each vertex of the
    shorter side (each row if n ≤ m, else each column) over its allowed partners, taken at the costs that were solved:

        p_i = softmax(−c̃_i / τ),    ∂L/∂c̃_i = −(diag(p_i) − p_i p_iᵀ) h_i / τ,
        c̃ = c_v + Dᵀ c_e,    h = ∂L/∂x + Dᵀ ∂L/∂z_e,    ∂L/∂c_v = ∂L/∂c̃,    ∂L/∂c_e = D ∂L/∂c̃.

    D linearises the edges at x (`gmssl.estimators.linearisation`; our extension), so that c̃_is is what partner s costs
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
