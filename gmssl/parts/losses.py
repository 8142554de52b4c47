"""Losses: how far a matching is from the target matching."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from gmssl.interfaces.loss import Loss
from gmssl.lazy import torch
from gmssl.problem import Matching, Problem, energy, lift


class Hamming(Loss):
    """L = Σ x(1 − x*) + x*(1 − x) over the vertex pairs, in `[0, 2·min(n, m)]` for matchings.

    It is twice the number of wrong nodes if both are permutations. It is linear in x, so that the upstream gradient 1 −
    2x* does not depend on the solution.
    """

    kind: ClassVar[str] = "hamming"

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from the vertex matching `[G,n,m]` and `problem.target`."""
        x, target = matching.vertex, problem.target
        assert target is not None, "the objective always sets a target"
        return (x * (1 - target) + target * (1 - x)).sum((1, 2))


class Squared(Loss):
    """L = Σ (x* + w (1 − x*)) (x − x*)² over the vertex pairs; w = `off_target` weighs the pairs that must not match.

    With `channels` and `unconstrained`, where x is the cross-correlation, this is Barlow Twins (Zbontar et al. 2021,
    Eq. 1), λ = w.
    """

    kind: ClassVar[str] = "squared"

    off_target: float = Field(1.0, ge=0, description="weight of pairs outside the target")

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from the vertex matching `[G,n,m]` and `problem.target`."""
        x, target = matching.vertex, problem.target
        assert target is not None, "the objective always sets a target"
        weight = target + self.off_target * (1 - target)
        return (weight * (x - target).square()).sum((1, 2))


class Energy(Loss):
    """L = ⟨c, x⟩ / n: what the matching costs a row in the mean. Its gradient reaches the costs directly.

    With the solver `given` it is the invariance term of VICReg and the prediction loss of BYOL. Where rows may stay
    unmatched, `per: pair` divides by the number of matched pairs Σ x instead.
    """

    kind: ClassVar[str] = "energy"
    reads_costs: ClassVar[bool] = True

    per: Literal["row", "pair"] = Field("row", description="mean over all rows, or over matched pairs only")

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from costs and matching of vertices and edges."""
        if self.per == "row":
            return energy(problem.costs, matching) / matching.vertex.shape[1]
        pairs = matching.vertex.sum((1, 2))
        return energy(problem.costs, matching) / pairs.clamp(min=torch.finfo(pairs.dtype).tiny)


class Likelihood(Loss):
    """L = −Σ_is x*_is log x_is / Σ_is x*_is: cross-entropy of rows that are distributions, mean over rows.

    With `row_softmax` this is NT-Xent (SimCLR), InfoNCE (MoCo), and the swapped prediction of SwAV and DINO.
    """

    kind: ClassVar[str] = "likelihood"

    def __call__(self, matching: Matching, problem: Problem) -> torch.Tensor:
        """`[G]`, from the vertex matching `[G,n,m]` and `problem.target`."""
        x, target = matching.vertex, problem.target
        assert target is not None, "the objective always sets a target"
        # A probability that has underflowed costs some 87 (float32), and not infinity times zero.
        logs = x.clamp(min=torch.finfo(x.dtype).tiny).log()
        return -(target * logs).sum((1, 2)) / target.sum((1, 2))


class FenchelYoung(Loss):
    """Fenchel–Young loss (Blondel et al. 2020) of perturbed optimisers (Berthet et al. 2020): ∂L/∂c = x* − x.

    With noise ε, F(c) = E min_z ⟨c − ε, z⟩ and a constant Ω(x*), the loss is ⟨c, x*⟩ − F(c) + Ω(x*), convex in c. The
    envelope theorem gives its gradient x* − E z, without the derivative of a matching and so without the bias of an
    estimator; it is 0 once the mean matching is the target. A loss sees costs and mean matching x but not the noise;
    what it returns is

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
