"""What the laws of gradient estimators share: settings, problems, one forward and backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from hypothesis import assume
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.solver import Solver
from gmssl.pairs import Pairs
from gmssl.problem import Problem, Solution
from gmssl.testing.laws import Contract
from gmssl.testing.strategies import problems


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward and one backward pass.

    Attributes:
        solution: its matching detached.
        gradient: ∂L/∂c with L = ⟨upstream, matching⟩.
        drew: the pass took numbers from the generator.
    """

    solution: Solution
    gradient: Pairs
    drew: bool


class EstimatorLaws(Contract):
    """Base of the groups of laws.

    Attributes:
        estimator: what is tested.
        solver: what it is tested with; None takes `exhaustive`, or `row_softmax` if the estimator differentiates it.
        max_n: bounds the problems drawn.
    """

    estimator: ClassVar[GradientEstimator]
    solver: ClassVar[Solver | None] = None
    max_n: ClassVar[int] = 4

    @property
    def _solver(self) -> Solver:
        if self.solver is not None:
            return self.solver
        if self.estimator.differentiates_solver:
            return gmssl.part("solver", "row_softmax", temperature=0.5)  # type: ignore[no-any-return]
        return gmssl.part("solver", "exhaustive")  # type: ignore[no-any-return]

    def _draw(
        self,
        data: st.DataObject,
        ties: bool = True,
        extreme: bool = False,
        dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64),
    ) -> Problem:
        edges = self._solver.uses_edges
        problem = data.draw(problems(max_n=self.max_n, edges=edges, ties=ties, extreme=extreme, dtypes=dtypes))
        if self._solver.differentiable:  # a relaxed solver may match the longer side, too
            assume(bool(problem.topology.allowed.any(2).all()))
        return problem

    def _upstream(self, data: st.DataObject, problem: Problem) -> Pairs:
        """∂L/∂matching, drawn."""
        return random_upstream(problem, data.draw(st.integers(0, 2**31)))

    def _pass(self, problem: Problem, upstream: Pairs, seed: int = 0, given: bool = True) -> Pass:
        """Match under a generator of that seed, or, if none is given, under torch's own; then go back."""
        costs = problem.costs.map(lambda x: x.clone().requires_grad_())
        generator = torch.Generator(costs.vertex.device).manual_seed(seed)
        before = generator.get_state()
        solution = self.estimator.match(self._solver, problem.with_costs(costs), generator if given else None)
        matching = solution.matching
        loss = (upstream.vertex * matching.vertex).sum() + (upstream.edge * matching.edge).sum()
        vertex, edge = torch.autograd.grad(loss, (costs.vertex, costs.edge), allow_unused=True)
        gradient = Pairs(
            torch.zeros_like(costs.vertex) if vertex is None else vertex,
            torch.zeros_like(costs.edge) if edge is None else edge,
        )
        detached = Solution(matching.detach(), solution.energy.detach(), solution.bound, solution.converged)
        return Pass(detached, gradient, not torch.equal(before, generator.get_state()))


def random_upstream(problem: Problem, seed: int) -> Pairs:
    """Normal numbers of the shapes of a matching."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda x: torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)  # noqa: E731
    return problem.costs.map(draw)


def equal(one: Pairs, other: Pairs) -> bool:
    """Bit for bit."""
    return torch.equal(one.vertex, other.vertex) and torch.equal(one.edge, other.edge)


def near(one: Pairs, other: Pairs) -> bool:
    """Up to rounding."""
    pairs = ((one.vertex, other.vertex), (one.edge, other.edge))
    return all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in pairs)
