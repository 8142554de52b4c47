"""Laws of the gradient that an estimator sends back."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import strategies as st

from gmssl.pairs import Pairs
from gmssl.problem import Problem
from gmssl.testing.estimator_laws import EstimatorLaws, equal, near, random_upstream
from gmssl.testing.laws import applies_if, law, require
from gmssl.testing.strategies import some_matching


class EstimatorGradient(EstimatorLaws):
    """Direction, units, and independence."""

    @law
    def test_gradient_never_points_uphill(self, data: st.DataObject) -> None:
        """⟨upstream, gradient⟩ ≤ 0 for each instance and any exact solver, in each draw."""
        applies_if(self._solver.exact, "its solver is not exact")
        applies_if(self.estimator.descends_each_draw, "it points downhill in the mean of its draws only")
        problem = self._draw(data, dtypes=(torch.float64,))
        upstream = self._upstream(data, problem)
        gradient = self._pass(problem, upstream).gradient
        slope = (upstream.vertex * gradient.vertex).sum((1, 2)) + (upstream.edge * gradient.edge).sum((1, 2))
        require((slope <= 1e-9).all(), f"⟨upstream, gradient⟩ is {slope.tolist()}")

    @law
    def test_scaling_the_loss_scales_the_gradient(self, data: st.DataObject) -> None:
        """A loss times 2^k has 2^k times the gradient: averaging and accumulation change nothing else."""
        problem = self._draw(data)
        upstream, factor = self._upstream(data, problem), 2.0 ** data.draw(st.integers(-40, 40))
        one, other = (self._pass(problem, upstream.scale(f)).gradient for f in (1.0, factor))
        require(
            near(one, other.scale(1 / factor)), f"a loss times {factor:g} has another gradient than {factor:g} times"
        )

    @law
    def test_no_loss_no_gradient(self, data: st.DataObject) -> None:
        """Instances that the loss does not depend on have the gradient 0, and change nothing for the others."""
        problem = self._draw(data)
        upstream = self._upstream(data, problem)
        graphs = len(problem.costs.vertex)
        chosen = torch.tensor(data.draw(st.lists(st.booleans(), min_size=graphs, max_size=graphs)))
        masked = upstream.scale(chosen.to(upstream.vertex.dtype))
        every, some = (self._pass(problem, u).gradient for u in (upstream, masked))
        silent = some.select(~chosen)
        require(not silent.vertex.any() and not silent.edge.any(), "an instance without loss has a gradient")
        require(near(every.select(chosen), some.select(chosen)), "a gradient depends on the loss of other instances")

    @law
    def test_independent_of_batch(self, data: st.DataObject) -> None:
        """Without noise, an instance alone has the matching and the gradient that it has in a batch."""
        problem = self._draw(data)
        upstream = self._upstream(data, problem)
        together = self._pass(problem, upstream)
        applies_if(not together.drew, "its noise depends on the batch; equal generators give equal results")
        for graph in range(len(problem.costs.vertex)):
            index = torch.tensor([graph])
            alone = self._pass(problem.select(index), upstream.select(index))
            require(near(alone.solution.matching, together.solution.matching.select(index)), "the matching differs")
            require(near(alone.gradient, together.gradient.select(index)), "the gradient differs")

    def test_gradient_reaches_vertices_and_edges(self) -> None:
        """A loss on vertices alone, and one on edges alone, moves the costs of both."""
        problem = _normal_problem(64, self._solver.uses_edges)
        upstream = random_upstream(problem, 1)
        nothing = upstream.map(torch.zeros_like)
        losses = {"vertices": Pairs(upstream.vertex, nothing.edge)}
        if self._solver.uses_edges:
            losses["edges"] = Pairs(nothing.vertex, upstream.edge)
        for of, given in losses.items():
            gradient = self._pass(problem, given).gradient
            require(gradient.vertex.any(), f"a loss on {of} gives vertex costs no gradient")
            require(gradient.edge.any() or not self._solver.uses_edges, f"a loss on {of} gives edge costs no gradient")

    @law
    def test_truth_does_not_leak(self, data: st.DataObject) -> None:
        """The gradient of a loss is the same whether the problem tells its target or not."""
        problem = self._draw(data, ties=False, dtypes=(torch.float64,))
        upstream = self._upstream(data, problem)
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 100)))
        graphs, n, m = problem.costs.vertex.shape
        target = some_matching(graphs, n, m, generator).double() * problem.topology.allowed
        blind, told = (self._pass(replace(problem, target=t), upstream) for t in (None, target))
        require(equal(blind.solution.matching, told.solution.matching), "the matching depends on the target")
        require(near(blind.gradient, told.gradient), "the gradient depends on the target")

    def test_gradient_is_that_of_the_solver(self) -> None:
        """An estimator that differentiates the solver agrees with finite differences."""
        applies_if(self.estimator.differentiates_solver, "it does not differentiate the solver")
        problem = _normal_problem(2, self._solver.uses_edges)

        def matched(vertex: torch.Tensor, edge: torch.Tensor) -> torch.Tensor:
            given = problem.with_costs(Pairs(vertex, edge))
            return self.estimator.match(self._solver, given, None).matching.vertex

        costs = problem.costs.map(lambda x: x.requires_grad_())
        agrees = torch.autograd.gradcheck(matched, (costs.vertex, costs.edge), raise_exception=False)
        require(agrees, "the gradient differs from finite differences of the solver")


def _normal_problem(graphs: int, edges: bool) -> Problem:
    """Normal costs in float64, n = 4, E = F = 5 (or 0)."""
    generator = torch.Generator().manual_seed(0)
    count = 5 if edges else 0
    left, right = (torch.randint(4, (graphs, count, 2), generator=generator) for _ in range(2))
    vertex, edge = (torch.randn(graphs, size, size, generator=generator, dtype=torch.float64) for size in (4, count))
    return Problem.build(vertex, left, right, edge)
