"""Laws of how good a solver is, against independent oracles."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

import gmssl
from gmssl.testing.laws import applies_if, law, require
from gmssl.testing.oracles import least_assignment, least_energy
from gmssl.testing.planted import planted_problems
from gmssl.testing.solver_laws import SolverLaws, tolerance
from gmssl.testing.strategies import partial_problems, problems


class SolverOptimum(SolverLaws):
    """bound ≤ optimum ≤ energy, with equality where the solver says so."""

    @law
    def test_against_oracle(self, data: st.DataObject) -> None:
        """No energy is below the least of all enumerated matchings; an exact solver reaches it."""
        self._only_matchings()
        self._compare(self._draw(data))

    @law
    def test_bound_holds(self, data: st.DataObject) -> None:
        """No bound is above the least energy."""
        applies_if(self.solver.gives_bound, "it gives no bound")
        problem = self._draw(data)
        bound = self._solve(problem).bound
        assert bound is not None
        for graph, (low, slack) in enumerate(zip(bound.double().tolist(), tolerance(problem), strict=True)):
            least = least_energy(problem, graph)
            assert least is not None
            require(low <= least + slack, f"the bound {low} is above the least energy {least}")

    @law
    def test_partial_problems(self, data: st.DataObject) -> None:
        """Where vertices may stay unmatched, the least energy is that of all enumerated partial matchings."""
        self._only_matchings()
        self._compare(data.draw(partial_problems(max_n=min(4, self.max_n), edges=self.solver.uses_edges)))

    @law
    def test_zero_edges_make_an_assignment_problem(self, data: st.DataObject) -> None:
        """With edge costs 0, and without edges, the least energy is that of SciPy's linear assignment."""
        self._only_matchings()
        problem = data.draw(problems(max_n=self.max_n + 2, edges=self.solver.uses_edges))
        problem = problem.with_costs(gmssl.Costs(problem.costs.vertex, torch.zeros_like(problem.costs.edge)))
        least = torch.tensor([least_assignment(problem, graph) for graph in range(len(problem.costs.vertex))])
        self._compare_with(problem, least.double())

    @law
    def test_planted_matching_is_found(self, data: st.DataObject) -> None:
        """Where each pair of one matching is cheaper than all other pairs, that matching is found."""
        self._only_planted()
        planted = data.draw(planted_problems(max_n=self.max_n + 2, edges=self.solver.uses_edges))
        self._find(planted.problem, planted.energy)

    @law
    def test_matching_planted_in_edges_is_found(self, data: st.DataObject) -> None:
        """The same where vertex costs are 0 and edges alone tell the matching."""
        self._only_planted()
        applies_if(self.solver.uses_edges, "it does not read edges")
        planted = data.draw(planted_problems(max_n=self.max_n + 2, vertices=False))
        self._find(planted.problem, planted.energy)

    def _only_planted(self) -> None:
        self._only_matchings()
        applies_if(self.finds_planted or self.solver.exact, "its contract sets finds_planted = False")

    def _find(self, problem: gmssl.Problem, planted: torch.Tensor) -> None:
        energy = self._energy(problem)
        require(
            ((energy - planted).abs() <= tolerance(problem)).all(),
            f"planted {planted.tolist()}, found {energy.tolist()}",
        )

    def _compare(self, problem: gmssl.Problem) -> None:
        least = [least_energy(problem, graph) for graph in range(len(problem.costs.vertex))]
        assert None not in least
        self._compare_with(problem, torch.tensor(least, dtype=torch.float64))

    def _compare_with(self, problem: gmssl.Problem, least: torch.Tensor) -> None:
        energy, slack = self._energy(problem), tolerance(problem)
        require((energy >= least - slack).all(), f"{energy.tolist()} is below the least energy {least.tolist()}")
        if self.solver.exact:
            require((energy <= least + slack).all(), f"it says exact: {energy.tolist()}, least is {least.tolist()}")
