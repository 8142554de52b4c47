"""The laws every solver keeps. A plugin's whole test:

    import gmssl
    from gmssl.testing.solver_contract import SolverContract

    class TestMine(SolverContract):
        solver = gmssl.part("solver", "mine")

Which laws apply follows from the class facts of the solver. Energies are compared, never matchings: ties are legal.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.energy import lift
from gmssl.interfaces.solver import Solver
from gmssl.problem import Problem, Solution
from gmssl.testing.oracles import least_energy
from gmssl.testing.strategies import problems, relabelled

_law = settings(
    max_examples=25,
    deadline=None,  # first calls compile
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)


def _same(one: Solution, other: Solution) -> bool:
    pairs = [(one.matching.vertex, other.matching.vertex), (one.matching.edge, other.matching.edge)]
    pairs += [(one.energy, other.energy), (one.converged, other.converged)]
    return all(torch.equal(a, b) for a, b in pairs)


class SolverContract:
    """Inherit, and set `solver`. `max_n` bounds the problems drawn; the oracle enumerates, so keep it small."""

    solver: ClassVar[Solver]
    max_n: ClassVar[int] = 5

    def _draw(self, data: st.DataObject) -> Problem:
        problem = data.draw(problems(max_n=self.max_n, edges=self.solver.uses_edges))
        if self.solver.differentiable:  # a relaxed solver may match the longer side, too
            assume(bool(problem.topology.allowed.any(2).all()))
        return problem

    @staticmethod
    def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
        return torch.allclose(one, other, rtol=1e-5, atol=1e-4 if one.dtype == torch.float32 else 1e-5)

    @_law
    @given(st.data())
    def test_shapes_and_dtypes(self, data: st.DataObject) -> None:
        """Everything has the shape and dtype of the costs."""
        problem = self._draw(data)
        solution, costs = gmssl.solve(problem, self.solver), problem.costs
        assert solution.matching.vertex.shape == costs.vertex.shape
        assert solution.matching.edge.shape == costs.edge.shape
        assert solution.energy.shape == solution.converged.shape == costs.vertex.shape[:1]
        assert solution.matching.vertex.dtype == solution.matching.edge.dtype == costs.vertex.dtype
        assert solution.energy.dtype == costs.vertex.dtype
        assert solution.converged.dtype == torch.bool
        assert (solution.bound is not None) == self.solver.gives_bound

    @_law
    @given(st.data())
    def test_matching_is_feasible(self, data: st.DataObject) -> None:
        """No forbidden pair; a one-to-one matching of the whole shorter side, or rows within [0, 1] if relaxed."""
        problem = self._draw(data)
        vertex, allowed = gmssl.solve(problem, self.solver).matching.vertex, problem.topology.allowed
        assert (vertex[~allowed] == 0).all()
        if self.solver.differentiable:
            assert ((vertex >= 0) & (vertex <= 1 + 1e-6)).all()
            return
        assert ((vertex == 0) | (vertex == 1)).all()
        assert (vertex.sum(1) <= 1).all()
        assert (vertex.sum(2) <= 1).all()
        assert (vertex.sum((1, 2)) == min(vertex.shape[1:])).all()

    @_law
    @given(st.data())
    def test_energy_is_inner_product(self, data: st.DataObject) -> None:
        """`energy` is that of `matching`, and the edge matching is the lift of the vertex matching."""
        problem = self._draw(data)
        solution = gmssl.solve(problem, self.solver)
        expected = gmssl.energy(problem.costs, solution.matching)
        assert self._close(solution.energy, expected)
        if not self.solver.differentiable:
            assert torch.equal(solution.matching.edge, lift(solution.matching.vertex, problem.topology).edge)

    @_law
    @given(st.data())
    def test_deterministic_and_pure(self, data: st.DataObject) -> None:
        """Twice the same; inputs unchanged; torch's random state untouched; no autograd unless differentiable."""
        problem = self._draw(data)
        before = problem.costs.map(torch.clone)
        state = torch.get_rng_state()
        tracked = problem.with_costs(problem.costs.map(lambda x: x.clone().requires_grad_()))
        solution = gmssl.solve(tracked, self.solver)
        assert _same(solution, gmssl.solve(problem, self.solver))
        assert torch.equal(before.vertex, problem.costs.vertex)
        assert torch.equal(before.edge, problem.costs.edge)
        assert torch.equal(state, torch.get_rng_state())
        assert solution.matching.vertex.requires_grad == self.solver.differentiable
        assert solution.energy.requires_grad == self.solver.differentiable

    @_law
    @given(st.data())
    def test_independent_of_batch(self, data: st.DataObject) -> None:
        """An instance alone is solved bit for bit as within any batch."""
        problem = self._draw(data)
        together = gmssl.solve(problem, self.solver)
        for graph in range(len(together.energy)):
            index = torch.tensor([graph])
            alone = gmssl.solve(problem.select(index), self.solver)
            assert torch.equal(alone.matching.vertex, together.matching.vertex[index])
            assert torch.equal(alone.energy, together.energy[index])

    @_law
    @given(st.data())
    def test_against_oracle(self, data: st.DataObject) -> None:
        """No energy is below the least, no bound above it; an exact solver reaches it."""
        if self.solver.differentiable:
            pytest.skip("the oracle enumerates one-to-one matchings, a relaxed solver has another feasible set")
        problem = self._draw(data)
        solution = gmssl.solve(problem, self.solver)
        for graph, energy in enumerate(solution.energy.tolist()):
            least = least_energy(problem, graph)
            assert least is not None
            assert energy >= least - 1e-4
            if self.solver.exact:
                assert energy <= least + 1e-4
            if solution.bound is not None:
                assert float(solution.bound[graph]) <= least + 1e-4

    @_law
    @given(st.data())
    def test_energy_survives_relabelling(self, data: st.DataObject) -> None:
        """Renaming the vertices does not change the energy that an exact solver finds."""
        if not self.solver.exact:
            pytest.skip("a search may end elsewhere on a renamed problem")
        problem = self._draw(data)
        n, m = problem.costs.vertex.shape[1:]
        rows = torch.tensor(data.draw(st.permutations(range(n))))
        columns = torch.tensor(data.draw(st.permutations(range(m))))
        one = gmssl.solve(problem, self.solver).energy
        other = gmssl.solve(relabelled(problem, rows, columns), self.solver).energy
        assert self._close(one, other)

    @pytest.mark.parametrize(("n", "m"), [(4, 4), (3, 5), (5, 3)])
    def test_ties_are_broken_at_chance(self, n: int, m: int) -> None:
        """With all costs equal every pair is matched equally often; above all the diagonal, where the truth may lie."""
        graphs = 600
        level = torch.linspace(-2, 2, graphs)[:, None, None]
        none = torch.zeros(graphs, 0, 2, dtype=torch.long)
        problem = gmssl.Problem.build(level.expand(-1, n, m).contiguous(), none, none, torch.zeros(graphs, 0, 0))
        often = gmssl.solve(problem, self.solver).matching.vertex.mean(0)
        share = often.sum() / (n * m)  # 1/max(n,m) if one-to-one
        deviation = (share * (1 - share) / graphs).sqrt()
        assert (often - share).abs().max() < 5 * deviation, often
