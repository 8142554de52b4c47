"""Laws of what a solver returns, of what it depends on, and of what it leaves alone; and what all laws share."""

from __future__ import annotations

import random
from typing import ClassVar

import numpy
import torch
from hypothesis import assume
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem, Solution, energy, lift
from gmssl.testing.laws import Contract, applies_if, law, require
from gmssl.testing.oracles import least_energy
from gmssl.testing.strategies import problems
from gmssl.testing.variants import scale_of, strided

# Relative to the largest cost. Solvers may round costs (robust_tabu to 24 bits) and may miss the optimum by as much.
OPTIMALITY = 1e-4
# Relative to the sum of the absolute costs of the matched pairs.
ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-10}


class SolverLaws(Contract):
    """Base of the groups of laws.

    Attributes:
        solver: what is tested.
        max_n: bounds the problems drawn; the oracle enumerates, so keep it small.
        finds_planted: solves problems whose optimum is obvious; switch it off for a solver that need not.
    """

    solver: ClassVar[Solver]
    max_n: ClassVar[int] = 5
    finds_planted: ClassVar[bool] = True

    def _draw(self, data: st.DataObject, extreme: bool = False) -> Problem:
        problem = data.draw(problems(max_n=self.max_n, edges=self.solver.uses_edges, extreme=extreme))
        if self.solver.differentiable:  # a relaxed solver may match the longer side, too
            assume(bool(problem.topology.allowed.any(2).all()))
        return problem

    def _solve(self, problem: Problem) -> Solution:
        return gmssl.solve(problem, self.solver)

    def _energy(self, problem: Problem) -> torch.Tensor:
        """`[G]` in float64."""
        return self._solve(problem).energy.detach().double()

    def _only_matchings(self) -> None:
        applies_if(not self.solver.differentiable, "its matchings are relaxed, not one to one")

    def _only_optimal_matchings(self) -> None:
        self._only_matchings()
        applies_if(self.solver.exact, "it searches: what it finds may be any matching")


def tolerance(problem: Problem) -> torch.Tensor:
    """By how much an energy may exceed the least, `[G]` in float64."""
    return OPTIMALITY * scale_of(problem)


def same(one: Solution, other: Solution) -> bool:
    """Bit for bit."""
    pairs = [(one.matching.vertex, other.matching.vertex), (one.matching.edge, other.matching.edge)]
    pairs += [(one.energy, other.energy), (one.converged, other.converged)]
    for a, b in ((one.bound, other.bound), (one.agreed, other.agreed)):
        if a is not None and b is not None:
            pairs.append((a, b))
    return all(torch.equal(a, b) for a, b in pairs)


class SolverOutput(SolverLaws):
    """Form, feasibility and energy, from the smallest to the most extreme problems."""

    @law
    def test_shapes_and_dtypes(self, data: st.DataObject) -> None:
        """Matching, energy, bound, converged and agreed have the shapes, the dtype and the device of the costs."""
        problem = self._draw(data)
        self._require_form(problem, self._solve(problem))

    @law
    def test_matching_is_feasible(self, data: st.DataObject) -> None:
        """One to one, the whole shorter side, no forbidden pair; relaxed matchings lie in [0, 1]."""
        problem = self._draw(data)
        self._require_feasible(problem, self._solve(problem))

    @law
    def test_energy_is_inner_product(self, data: st.DataObject) -> None:
        """The energy is that of the matching, and the edge matching is the lift of the vertex matching."""
        problem = self._draw(data)
        self._require_energy(problem, self._solve(problem))

    @law
    def test_extreme_scales(self, data: st.DataObject) -> None:
        """Costs of 1e-30, 1e30, in float64 of 1e±200 harm neither matching nor energy."""
        problem = self._draw(data, extreme=True)
        solution = self._solve(problem)
        require(torch.isfinite(solution.energy).all(), f"energies are not finite: {solution.energy.tolist()}")
        self._require_feasible(problem, solution)
        self._require_energy(problem, solution)
        if self.solver.exact and not self.solver.differentiable:
            self._require_least(problem, solution)

    def test_smallest_problems(self) -> None:
        """One vertex on either side, no edges on either side, and no instance at all are solved."""
        for n, m in ((1, 1), (1, 3), (3, 1), (2, 2)):
            for left, right in ((0, 0), (2, 0), (0, 2), (2, 2)) if self.solver.uses_edges else ((0, 0),):
                problem = _small(n, m, left, right)
                solution = self._solve(problem)
                self._require_form(problem, solution)
                self._require_feasible(problem, solution)
                if not self.solver.differentiable and (self.solver.exact or n == m == 1):
                    self._require_least(problem, solution)
                nothing = problem.select(torch.zeros(0, dtype=torch.long, device="cpu"))
                self._require_form(nothing, self._solve(nothing))

    @law
    def test_layout_does_not_matter(self, data: st.DataObject) -> None:
        """Non-contiguous and expanded tensors are matched as contiguous ones."""
        problem = self._draw(data)
        expected = self._solve(problem).matching.vertex
        found = self._solve(strided(problem)).matching.vertex
        # Bit for bit, but for relaxed matchings: their sums round differently in another order.
        equal = torch.allclose if self.solver.differentiable else torch.equal
        require(equal(expected, found), "non-contiguous tensors are matched differently")
        first = problem.select(torch.zeros(2, dtype=torch.long, device="cpu"))
        shared = self._solve(first.with_costs(first.costs.map(lambda x: x[:1].expand_as(x)))).matching.vertex
        require(equal(expected[:1].expand_as(shared), shared), "expanded tensors are matched differently")

    def test_device_is_kept(self) -> None:
        """A problem on a GPU has its solution there."""
        applies_if(torch.cuda.is_available(), "there is no CUDA device here")
        problem = _small(3, 3, 2, 2) if self.solver.uses_edges else _small(3, 3, 0, 0)
        costs, topology = problem.costs.map(torch.Tensor.cuda), problem.topology
        there = Problem.build(costs.vertex, topology.left.cuda(), topology.right.cuda(), costs.edge)
        self._require_form(there, self._solve(there))

    def _require_form(self, problem: Problem, solution: Solution) -> None:
        costs, matching = problem.costs, solution.matching
        expected = {
            "matching.vertex": (matching.vertex, costs.vertex.shape, costs.vertex.dtype),
            "matching.edge": (matching.edge, costs.edge.shape, costs.vertex.dtype),
            "energy": (solution.energy, costs.vertex.shape[:1], costs.vertex.dtype),
            "converged": (solution.converged, costs.vertex.shape[:1], torch.bool),
        }
        declared = "declares" if self.solver.gives_bound else "does not declare"
        require((solution.bound is not None) == self.solver.gives_bound, f"it {declared} gives_bound")
        if solution.bound is not None:
            expected["bound"] = (solution.bound, costs.vertex.shape[:1], costs.vertex.dtype)
        if solution.agreed is not None:
            expected["agreed"] = (solution.agreed, costs.vertex.shape[:1], torch.bool)
        for name, (tensor, shape, dtype) in expected.items():
            require(tensor.shape == shape, f"{name} has shape {list(tensor.shape)} instead of {list(shape)}")
            require(tensor.dtype == dtype, f"{name} has dtype {tensor.dtype} instead of {dtype}")
            require(tensor.device == costs.vertex.device, f"{name} is on {tensor.device}, not {costs.vertex.device}")

    def _require_feasible(self, problem: Problem, solution: Solution) -> None:
        vertex = solution.matching.vertex.detach()
        require((vertex[~problem.topology.allowed] == 0).all(), "a forbidden pair is matched")
        if self.solver.differentiable:
            require(((vertex >= 0) & (vertex <= 1 + 1e-6)).all(), "the matching leaves [0, 1]")
            return
        require(((vertex == 0) | (vertex == 1)).all(), "the matching is not of 0 and 1")
        require((vertex.sum(1) <= 1).all() and bool((vertex.sum(2) <= 1).all()), "a vertex is matched twice")
        complete = (vertex.sum((1, 2)) == min(vertex.shape[1:])).all()
        require(complete, "a vertex of the shorter side is unmatched")

    def _require_energy(self, problem: Problem, solution: Solution) -> None:
        costs, matching = (x.map(lambda t: t.detach().double()) for x in (problem.costs, solution.matching))
        expected, magnitude = energy(costs, matching), energy(costs.map(torch.abs), matching)
        error = (solution.energy.detach().double() - expected).abs()
        require(
            (error <= ROUNDING[problem.costs.vertex.dtype] * magnitude).all(),
            f"the energy is {solution.energy.tolist()}, that of the matching {expected.tolist()}",
        )
        if not self.solver.differentiable:
            lifted = lift(solution.matching.vertex, problem.topology).edge
            require(torch.equal(solution.matching.edge, lifted), "the edge matching is not that of the vertices")

    def _require_least(self, problem: Problem, solution: Solution) -> None:
        for graph, (energy_, slack) in enumerate(zip(solution.energy.tolist(), tolerance(problem), strict=True)):
            least = least_energy(problem, graph)
            require(least is not None and energy_ <= least + slack, f"the least energy is {least}, it found {energy_}")


def _small(n: int, m: int, left: int, right: int) -> Problem:
    """Two instances; all edges are self-loops of the first vertex or edges to the last."""
    generator = torch.Generator().manual_seed(n * m)
    vertex, edge = (
        torch.randn(2, *shape, generator=generator, dtype=torch.float32, device="cpu")
        for shape in ((n, m), (left, right))
    )
    return Problem.build(vertex, _two_edges(n)[:, :left], _two_edges(m)[:, :right], edge)


def _two_edges(vertices: int) -> torch.Tensor:
    return torch.tensor([[0, 0], [0, vertices - 1]], device="cpu").expand(2, 2, 2)


class SolverPurity(SolverLaws):
    """A solution depends on the problem and the settings alone."""

    @law
    def test_deterministic(self, data: st.DataObject) -> None:
        """Twice the same, bit for bit."""
        problem = self._draw(data)
        require(same(self._solve(problem), self._solve(problem)), "the second solution of a problem differs")

    @law
    def test_random_states_are_left_alone(self, data: st.DataObject) -> None:
        """The global random states of torch, numpy and Python are as before."""
        problem = self._draw(data)
        before = _random_states()
        self._solve(problem)
        for name, state in _random_states().items():
            require(state == before[name], f"the global random state of {name} has changed")

    @law
    def test_inputs_are_not_changed(self, data: st.DataObject) -> None:
        """Costs, edges and mask are as before."""
        problem = self._draw(data)
        costs, topology = problem.costs, problem.topology
        given = (costs.vertex, costs.edge, topology.left, topology.right, topology.allowed)
        before = [x.clone() for x in given]
        self._solve(problem)
        for name, old, new in zip(("vertex", "edge", "left", "right", "allowed"), before, given, strict=True):
            require(torch.equal(old, new), f"the solver has changed {name}")

    @law
    def test_autograd_only_if_differentiable(self, data: st.DataObject) -> None:
        """Costs that require gradients are solved the same; the solution carries gradients only if declared."""
        problem = self._draw(data)
        tracked = problem.with_costs(problem.costs.map(lambda x: x.clone().requires_grad_()))
        solution = self._solve(tracked)
        require(same(solution, self._solve(problem)), "costs that require gradients have another solution")
        for name, tensor in (("matching", solution.matching.vertex), ("energy", solution.energy)):
            carries = "carries" if tensor.requires_grad else "does not carry"
            declared = f"differentiable is {self.solver.differentiable}"
            require(tensor.requires_grad == self.solver.differentiable, f"{name} {carries} gradients, {declared}")

    @law
    def test_independent_of_batch(self, data: st.DataObject) -> None:
        """An instance alone is solved bit for bit as within any batch, at any place."""
        problem = self._draw(data)
        together = self._solve(problem)
        graphs = len(together.energy)
        for graph in range(graphs):
            index = torch.tensor([graph], device="cpu")
            alone = self._solve(problem.select(index))
            for name, one, other in (
                ("matching", alone.matching.vertex, together.matching.vertex[index]),
                ("energy", alone.energy, together.energy[index]),
            ):
                require(torch.equal(one, other), f"the {name} of an instance alone differs from that in a batch")
        backwards = torch.arange(graphs, device="cpu").flip(0)
        turned = self._solve(problem.select(backwards))
        equal = torch.equal(turned.matching.vertex, together.matching.vertex[backwards])
        require(equal, "the matching of an instance depends on its place in the batch")


def _random_states() -> dict[str, object]:
    of_numpy = numpy.random.get_state()
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": [x.tobytes() if isinstance(x, numpy.ndarray) else x for x in of_numpy],
        "Python": random.getstate(),
    }
