"""The Fenchel–Young loss of the perturbed energy."""

from __future__ import annotations

from typing import ClassVar

from gmssl.energy import energy, lift
from gmssl.interfaces.loss import Loss
from gmssl.lazy import torch
from gmssl.pairs import Matching
from gmssl.problem import Problem


class FenchelYoung(Loss):
    """Fenchel–Young loss (Blondel et al. 2020) of perturbed optimisers (Berthet et al. 2020): ∂L/∂c = x* − x.

    With noise ε, F(c) = E min_z ⟨c − ε, z⟩ and a constant Ω(x*), the loss is ⟨c, x*⟩ − F(c) + Ω(x*), convex in c. The
    envelope theorem gives its gradient x* − E z: no derivative of a matching, hence no bias of an estimator, and 0 once
    the mean matching is the target. A loss sees costs and mean matching x but not the noise; what it returns is

        L = ⟨c, x*⟩ − ⟨c, x⟩    with x held constant,

    of the *same gradient*; the value lacks E⟨ε, z⟩ + Ω(x*), which no gradient needs, so it may be negative. Without
    noise it is the perceptron loss, how far the target is above the least energy. Any estimator serves, as only its
    forward pass is used: its `noise` and `samples` are those of the loss (`perturbed`, gaussian, in the paper).
    Edge costs take part: x* and x include the matchings of edges.
    """

    kind: ClassVar[str] = "fenchel_young"
    reads_costs: ClassVar[bool] = True

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from costs, matchings of vertices and edges, and `problem.target`."""
        assert problem.target is not None, "the objective always sets a target"
        target = lift(problem.target.to(problem.costs.vertex.dtype), problem.topology)
        return energy(problem.costs, target) - energy(problem.costs, matching.detach())
