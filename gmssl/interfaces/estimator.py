"""Gradient estimators say how gradients come back through a piecewise-constant matching; their noise perturbs costs."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from gmssl.interfaces.part import Part
from gmssl.interfaces.solver import Solver
from gmssl.lazy import torch
from gmssl.problem import Problem, Solution


class Noise(Part):
    """Independent samples of one distribution."""

    slot: ClassVar[str] = "noise"

    @abstractmethod
    def sample(self, like: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Independent samples with the shape, dtype and device of `like`."""


class SmoothNoise(Noise):
    """Noise whose density p is known and differentiable: what score-function estimators (`perturbed`) need."""

    @abstractmethod
    def score(self, sample: torch.Tensor) -> torch.Tensor:
        """d log p(ε) / dε of each entry of `sample`, in its shape."""


class GradientEstimator(Part):
    """The way in which gradients come back through a matching; it stands beside the solver, not inside it.

    Class facts, which drive recipes and the contract tests (`gmssl.testing.estimator_contract`):
        differentiates_solver: the estimator relies on the solver's own derivative, so that a piecewise-constant solver
            would give zero gradients everywhere.
        descends_each_draw: ⟨∂L/∂z, ∂L/∂c⟩ ≤ 0 under any exact solver in each draw of the noise. It is False for
            estimators for which this holds in the mean only, such as those of the score function.
    """

    slot: ClassVar[str] = "estimator"
    differentiates_solver: ClassVar[bool] = False
    descends_each_draw: ClassVar[bool] = True

    @abstractmethod
    def match(self, solver: Solver, problem: Problem, generator: torch.Generator | None) -> Solution:
        """Solve `problem`; the matching of the solution is differentiable in vertex *and* edge costs.

        Args:
            solver: any solver.
            problem: G matching problems whose costs may require gradients.
            generator: source of the noise, on the device of the costs; None draws from torch's global generator.
        """
