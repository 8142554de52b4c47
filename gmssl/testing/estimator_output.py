"""Laws of what an estimator returns, and of what it leaves alone."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from gmssl.pairs import Pairs
from gmssl.problem import Problem
from gmssl.testing.estimator_laws import EstimatorLaws, Pass, equal, random_upstream
from gmssl.testing.laws import law, require


class EstimatorOutput(EstimatorLaws):
    """Forward matchings, form of the gradients, randomness."""

    @law
    def test_matching_is_a_mean_of_matchings(self, data: st.DataObject) -> None:
        """Entries lie in [0, 1], rows and columns sum to at most 1, all of the shorter side is matched on average."""
        problem = self._draw(data)
        matching = self._pass(problem, self._upstream(data, problem)).solution.matching
        vertex, slack = matching.vertex, 1e-5
        for x in (vertex, matching.edge):
            require(((x >= 0) & (x <= 1 + slack)).all(), "the matching leaves [0, 1]")
        require((vertex[~problem.topology.allowed] == 0).all(), "a forbidden pair is matched")
        require((vertex.sum(2) <= 1 + slack).all(), "a row sums to more than 1")
        if not self._solver.differentiable:
            require((vertex.sum(1) <= 1 + slack).all(), "a column sums to more than 1")
            missing = min(vertex.shape[1:]) - vertex.sum((1, 2))
            require((missing.abs() <= slack).all(), "a vertex of the shorter side is unmatched")

    @law
    def test_gradient_has_the_form_of_the_costs(self, data: st.DataObject) -> None:
        """Shapes and dtype of the costs, finite, also where costs and loss are extremely large or small."""
        problem = self._draw(data, extreme=True)
        size = data.draw(st.sampled_from([1e-30, 1.0, 1e30]))
        self._require_form(problem, self._pass(problem, self._upstream(data, problem).scale(size)))

    def test_half_precision(self) -> None:
        """Costs in bfloat16 and float16, and autocast, give finite gradients in the dtype of the costs."""
        generator = torch.Generator().manual_seed(0)
        vertex = torch.randn(3, 4, 4, generator=generator)
        edges = torch.randint(4, (2, 3, 5, 2), generator=generator)
        edges, count = (edges, 5) if self._solver.uses_edges else (edges[:, :, :0], 0)
        edge = torch.randn(3, count, count, generator=generator)
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            problem = Problem.build(vertex.to(dtype), edges[0], edges[1], edge.to(dtype))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                self._require_form(problem, self._pass(problem, random_upstream(problem, 0)))

    def test_smallest_problems(self) -> None:
        """One vertex on either side, no edges, and no instance at all go forward and back."""
        for graphs in (0, 2):
            for n, m, edges in ((1, 1, 0), (1, 3, 0), (3, 1, 0), (1, 1, 2)):
                count = edges if self._solver.uses_edges else 0
                loops = torch.zeros(graphs, count, 2, dtype=torch.long)
                edge = torch.ones(graphs, count, count)
                problem = Problem.build(torch.ones(graphs, n, m), loops, loops, edge)
                self._require_form(problem, self._pass(problem, random_upstream(problem, 0)))

    @law
    def test_deterministic_given_a_generator(self, data: st.DataObject) -> None:
        """Equal generators give equal matchings and gradients, and torch's own generator is left alone."""
        problem = self._draw(data)
        upstream, seed = self._upstream(data, problem), data.draw(st.integers(0, 100))
        state = torch.get_rng_state()
        one, other = (self._pass(problem, upstream, seed) for _ in range(2))
        require(torch.equal(state, torch.get_rng_state()), "torch's global random state has changed")
        require(equal(one.solution.matching, other.solution.matching), "the second matching differs")
        require(equal(one.gradient, other.gradient), "the second gradient differs")

    @law
    def test_without_generator_torch_draws(self, data: st.DataObject) -> None:
        """Without a generator, torch.manual_seed decides everything."""
        problem = self._draw(data)
        upstream = self._upstream(data, problem)
        with torch.random.fork_rng(devices=[]):
            passes = []
            for _ in range(2):
                torch.manual_seed(7)
                passes.append(self._pass(problem, upstream, given=False))
        one, other = passes
        require(equal(one.solution.matching, other.solution.matching), "the second matching differs")
        require(equal(one.gradient, other.gradient), "the second gradient differs")

    @law
    def test_inputs_are_not_changed(self, data: st.DataObject) -> None:
        """Costs and upstream gradient are as before."""
        problem = self._draw(data)
        upstream = self._upstream(data, problem)
        costs = problem.costs.map(lambda x: x.clone().requires_grad_())
        before = problem.costs.map(torch.clone)
        matching = self.estimator.match(self._solver, problem.with_costs(costs), None).matching
        given = upstream.map(torch.clone)
        matching.vertex.backward(given.vertex.to(matching.vertex.dtype))
        require(equal(before, costs.detach()), "the estimator has changed the costs")
        require(torch.equal(given.vertex, upstream.vertex), "the estimator has changed the upstream gradient")

    def _require_form(self, problem: Problem, done: Pass) -> None:
        given: dict[str, Pairs] = {"gradient": done.gradient, "matching": done.solution.matching}
        for name, pairs in given.items():
            for of, x, cost in (
                ("vertex", pairs.vertex, problem.costs.vertex),
                ("edge", pairs.edge, problem.costs.edge),
            ):
                require(x.shape == cost.shape, f"{name}.{of} has shape {list(x.shape)} instead of {list(cost.shape)}")
                require(torch.isfinite(x).all(), f"{name}.{of} is not finite")
        dtype = problem.costs.vertex.dtype
        for x in (done.gradient.vertex, done.gradient.edge):
            require(x.dtype == dtype, f"a gradient has dtype {x.dtype}, its costs {dtype}")
        require(done.solution.energy.shape == problem.costs.vertex.shape[:1], "energy is not [G]")
        require(done.solution.converged.shape == problem.costs.vertex.shape[:1], "converged is not [G]")
