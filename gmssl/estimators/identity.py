"""Identity: the solver as minus the identity on its costs."""

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


class Identity(GradientEstimator):
    """Negative identity (Sahoo et al. 2023): ∂L/∂c = −∂L/∂x, no second solve and no λ.

    An entry whose loss falls when it enters the matching gets cheaper. With edges the solver is −I on the *linearised*
    costs c_v + Dᵀ c_e (`gmssl.estimators.linearisation`; our extension, the paper knows linear costs only):

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
