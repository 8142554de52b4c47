"""The laws every gradient estimator keeps. A plugin's whole test:

import gmssl
from gmssl.testing.estimator_contract import EstimatorContract

class TestMine(EstimatorContract):
    estimator = gmssl.part("estimator", "mine")
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from hypothesis import assume
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.solver import Solver
from gmssl.problem import Pairs, Problem, Solution
from gmssl.testing.laws import Contract, applies_if, law, require
from gmssl.testing.strategies import problems, some_matching


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
    draw = lambda x: torch.randn(x.shape, generator=generator, dtype=torch.float64, device="cpu").to(x)  # noqa: E731
    return problem.costs.map(draw)


def equal(one: Pairs, other: Pairs) -> bool:
    """Bit for bit."""
    return torch.equal(one.vertex, other.vertex) and torch.equal(one.edge, other.edge)


def near(one: Pairs, other: Pairs) -> bool:
    """Up to rounding."""
    pairs = ((one.vertex, other.vertex), (one.edge, other.edge))
    return all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in pairs)


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
        vertex = torch.randn(3, 4, 4, generator=generator, dtype=torch.float32, device="cpu")
        edges = torch.randint(4, (2, 3, 5, 2), generator=generator, device="cpu")
        edges, count = (edges, 5) if self._solver.uses_edges else (edges[:, :, :0], 0)
        edge = torch.randn(3, count, count, generator=generator, dtype=torch.float32, device="cpu")
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            problem = Problem.build(vertex.to(dtype), edges[0], edges[1], edge.to(dtype))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                self._require_form(problem, self._pass(problem, random_upstream(problem, 0)))

    def test_smallest_problems(self) -> None:
        """One vertex on either side, no edges, and no instance at all go forward and back."""
        for graphs in (0, 2):
            for n, m, edges in ((1, 1, 0), (1, 3, 0), (3, 1, 0), (1, 1, 2)):
                count = edges if self._solver.uses_edges else 0
                loops = torch.zeros(graphs, count, 2, dtype=torch.long, device="cpu")
                edge = torch.ones(graphs, count, count, dtype=torch.float32, device="cpu")
                problem = Problem.build(torch.ones(graphs, n, m, dtype=torch.float32, device="cpu"), loops, loops, edge)
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
        chosen = torch.tensor(data.draw(st.lists(st.booleans(), min_size=graphs, max_size=graphs)), device="cpu")
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
            index = torch.tensor([graph], device="cpu")
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
    left, right = (torch.randint(4, (graphs, count, 2), generator=generator, device="cpu") for _ in range(2))
    vertex, edge = (
        torch.randn(graphs, size, size, generator=generator, dtype=torch.float64, device="cpu") for size in (4, count)
    )
    return Problem.build(vertex, left, right, edge)


class EstimatorContract(EstimatorGradient, EstimatorOutput):
    """Inherit, and set `estimator`.

    `solver` is what it is tested with, by default `exhaustive`, or `row_softmax` if the estimator differentiates the
    solver; `max_n` (4) bounds the problems drawn and `examples` (25) their number.
    """
