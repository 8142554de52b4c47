"""The laws every solver keeps. A plugin's whole test:

    import gmssl
    from gmssl.testing.solver_contract import SolverContract

    class TestMine(SolverContract):
        solver = gmssl.part("solver", "mine")

Which laws apply follows from the class facts of the solver. Energies are compared, never matchings: ties are legal.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import strategies as st

import gmssl
from gmssl.problem import Problem
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.laws import applies_if, law, require
from gmssl.testing.oracles import least_assignment, least_energy
from gmssl.testing.planted import planted_problems
from gmssl.testing.solver_laws import SolverLaws, SolverOutput, SolverPurity, tolerance
from gmssl.testing.strategies import complete_problems, partial_problems, problems
from gmssl.testing.variants import edgeless, identity_labelled, relabelled, scale_of


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
    def test_converged_is_proven(self, data: st.DataObject) -> None:
        """`converged` means a gap within `tolerance`, also under offsets on vertices or edges, or a few huge costs."""
        self._only_matchings()
        problem = self._draw(data)
        vertex = problem.costs.vertex + data.draw(st.sampled_from([0.0, 1e3, 1e6, 1e9]))
        huge = torch.zeros(vertex.shape, dtype=torch.bool, device="cpu")
        huge[:, data.draw(st.integers(0, vertex.shape[1] - 1)), 0] = data.draw(st.booleans())
        edge = problem.costs.edge + data.draw(st.sampled_from([0.0, 1e3, -1e6, 1e9]))
        problem = problem.with_costs(gmssl.Costs(vertex.masked_fill(huge, 1e12), edge))
        solution = self._solve(problem)
        if solution.gap is None:
            require(
                not solution.converged.any(), "it says converged and gives no bound; what a search knows is `agreed`"
            )
            return
        # A bound is rounded down, and the energy to the nearest: together less than two units in the last place.
        most = getattr(self.solver, "tolerance", 0.0) + 2 * torch.finfo(vertex.dtype).eps
        require(
            (solution.gap <= most)[solution.converged].all(), f"it says converged at gaps of {solution.gap.tolist()}"
        )

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
        least = [least_assignment(problem, graph) for graph in range(len(problem.costs.vertex))]
        self._compare_with(problem, torch.tensor(least, dtype=torch.float64, device="cpu"))

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
        self._compare_with(problem, torch.tensor(least, dtype=torch.float64, device="cpu"))

    def _compare_with(self, problem: gmssl.Problem, least: torch.Tensor) -> None:
        energy, slack = self._energy(problem), tolerance(problem)
        require((energy >= least - slack).all(), f"{energy.tolist()} is below the least energy {least.tolist()}")
        if self.solver.exact:
            require((energy <= least + slack).all(), f"it says exact: {energy.tolist()}, least is {least.tolist()}")


class SolverSymmetry(SolverLaws):
    """Names, units and constants decide nothing."""

    @law
    def test_energy_survives_relabelling(self, data: st.DataObject) -> None:
        """Renaming the vertices does not change the least energy."""
        self._only_optimal_matchings()
        problem = self._draw(data)
        n, m = problem.costs.vertex.shape[1:]
        rows, columns = (torch.tensor(data.draw(st.permutations(range(size))), device="cpu") for size in (n, m))
        one, other = self._energy(problem), self._energy(relabelled(problem, rows, columns))
        require(((one - other).abs() <= tolerance(problem)).all(), f"{one.tolist()}, renamed {other.tolist()}")

    @law
    def test_scaling_the_costs_scales_the_energy(self, data: st.DataObject) -> None:
        """All costs times 2^k: an equal matching has 2^k times the energy bit for bit, and so has the optimum."""
        self._only_matchings()
        problem = self._draw(data)
        factor = 2.0 ** data.draw(st.integers(-60, 60))
        scaled = problem.with_costs(problem.costs.scale(factor))
        one, other = self._solve(problem), self._solve(scaled)
        equal = (one.matching.vertex == other.matching.vertex).all(2).all(1)
        require(
            torch.equal(other.energy[equal], one.energy[equal] * factor),
            f"equal matchings, factor {factor:g}: energies {one.energy.tolist()} and {other.energy.tolist()}",
        )
        if self.solver.exact:
            error = (other.energy.double() - one.energy.double() * factor).abs()
            require(
                (error <= factor * tolerance(problem)).all(),
                f"factor {factor:g}: least energies {one.energy.tolist()} and {other.energy.tolist()}",
            )

    @law
    def test_a_constant_shifts_the_energy(self, data: st.DataObject) -> None:
        """A constant on a row that must be matched (a column likewise) is added to the least energy."""
        self._only_optimal_matchings()
        problem = self._draw(data)
        _, n, m = problem.costs.vertex.shape
        size = data.draw(st.sampled_from([0.5, 3.0, 20.0]))
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
        constants = size * torch.randn(
            len(problem.costs.vertex), min(n, m), generator=generator, dtype=torch.float32, device="cpu"
        ).to(problem.costs.vertex)
        on_rows = n < m or (n == m and data.draw(st.booleans()))
        added = constants[:, :, None] if on_rows else constants[:, None, :]
        shifted = problem.with_costs(replace(problem.costs, vertex=problem.costs.vertex + added))
        expected = self._energy(problem) + constants.double().sum(1)
        found, slack = self._energy(shifted), tolerance(problem) + tolerance(shifted)
        require(((found - expected).abs() <= slack).all(), f"expected {expected.tolist()}, found {found.tolist()}")

    @law
    def test_a_constant_on_edges_shifts_the_energy(self, data: st.DataObject) -> None:
        """A constant on an edge that every matching meets, since the other graph is complete, is added, too."""
        self._only_optimal_matchings()
        applies_if(self.solver.uses_edges, "it does not read edges")
        problem = data.draw(complete_problems(max_n=min(4, self.max_n)))
        n, m = problem.costs.vertex.shape[1:]
        edge, size = problem.costs.edge, data.draw(st.sampled_from([0.5, 3.0, 20.0]))
        on_left = n < m or (n == m and data.draw(st.booleans()))
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
        constants = size * torch.randn(
            len(edge), edge.shape[1 if on_left else 2], generator=generator, dtype=torch.float32, device="cpu"
        ).to(edge)
        added = constants[:, :, None] if on_left else constants[:, None, :]
        shifted = problem.with_costs(replace(problem.costs, edge=edge + added))
        expected = self._energy(problem) + constants.double().sum(1)
        found, slack = self._energy(shifted), tolerance(problem) + tolerance(shifted)
        require(((found - expected).abs() <= slack).all(), f"expected {expected.tolist()}, found {found.tolist()}")

    def test_ties_are_broken_at_chance(self) -> None:
        """With all costs equal every pair is matched equally often; above all i with i, where the truth may lie."""
        for n, m, edges in ((4, 4, 0), (3, 5, 0), (5, 3, 0), *([(4, 4, 4)] if self.solver.uses_edges else [])):
            often, graphs = self._solve(_ties(600, n, m, edges)).matching.vertex.mean(0), 600
            share = often.sum() / (n * m)  # 1/max(n,m) if one-to-one
            deviation = (share * (1 - share) / graphs).sqrt()
            require(
                (often - share).abs().max() < 5 * deviation,
                f"equal costs, n = {n}, m = {m}: pairs are matched in {float(often.min()):.0%} to "
                f"{float(often.max()):.0%} of the instances, at chance in {float(share):.0%} ± {float(deviation):.1%}",
            )

    def test_labels_do_not_leak(self) -> None:
        """Hard problems whose truth is i ↔ i are solved no better than the same problems renamed."""
        applies_if(not self.solver.exact, "it is exact: labels can decide ties only, and another law tests these")
        # Hard enough that a search from the truth stays there while a search from elsewhere does not get there.
        problem = paired_embeddings(150, 14, noise=1.6, gumbel=0.3, seed=3)
        if not self.solver.uses_edges:
            problem = edgeless(problem)
        for name, unit, labelled, renamed in zip(
            ("share of true pairs", "energy"),
            (torch.ones((), dtype=torch.float32, device="cpu"), -scale_of(problem)),
            self._quality(identity_labelled(problem)),
            self._quality(problem),
            strict=True,
        ):
            means = f"{float(labelled.mean()):.4g} if vertex i belongs to i, else {float(renamed.mean()):.4g}"
            require(_no_better(labelled / unit, renamed / unit), f"the mean {name} is {means}")

    def _quality(self, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
        """Share of true pairs and energy, `[G]` each."""
        solution = self._solve(problem)
        assert problem.target is not None
        true = (solution.matching.vertex.detach() * problem.target).sum((1, 2)) / problem.target.sum((1, 2))
        return true.double(), solution.energy.detach().double()


def _ties(graphs: int, n: int, m: int, edges: int) -> Problem:
    """All vertex costs of an instance equal, and edges in a circle that cost nothing."""
    level = torch.linspace(-2, 2, graphs, dtype=torch.float32, device="cpu")[:, None, None]
    circle = torch.stack(
        [torch.arange(edges, device="cpu"), torch.arange(1, edges + 1, device="cpu") % max(edges, 1)], 1
    ).expand(graphs, edges, 2)
    return gmssl.Problem.build(
        level.expand(-1, n, m).contiguous(),
        circle,
        circle,
        torch.zeros(graphs, edges, edges, dtype=torch.float32, device="cpu"),
    )


def _no_better(labelled: torch.Tensor, renamed: torch.Tensor) -> bool:
    """The mean paired difference is within four standard errors of 0, or below."""
    gain = labelled - renamed
    return bool(gain.mean() <= 4 * gain.std() / len(gain) ** 0.5 + 1e-6)


class SolverContract(SolverSymmetry, SolverOptimum, SolverPurity, SolverOutput):
    """Inherit, and set `solver`.

    `max_n` (5) bounds the problems drawn, `examples` (25) their number, and `finds_planted = False` is for a solver
    that need not solve problems whose optimum is obvious.
    """
