"""Laws of problems that are the same but for names, units and constants; and of fairness to labels."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import strategies as st

import gmssl
from gmssl.problem import Problem
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.laws import applies_if, law, require
from gmssl.testing.solver_laws import SolverLaws, tolerance
from gmssl.testing.variants import edgeless, identity_labelled, relabelled, scale_of


class SolverSymmetry(SolverLaws):
    """Names, units and constants decide nothing."""

    @law
    def test_energy_survives_relabelling(self, data: st.DataObject) -> None:
        """Renaming the vertices does not change the least energy."""
        self._only_optimal_matchings()
        problem = self._draw(data)
        n, m = problem.costs.vertex.shape[1:]
        rows, columns = (torch.tensor(data.draw(st.permutations(range(size)))) for size in (n, m))
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
        constants = size * torch.randn(len(problem.costs.vertex), min(n, m), generator=generator).to(
            problem.costs.vertex
        )
        on_rows = n < m or (n == m and data.draw(st.booleans()))
        added = constants[:, :, None] if on_rows else constants[:, None, :]
        shifted = problem.with_costs(replace(problem.costs, vertex=problem.costs.vertex + added))
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
            (torch.ones(()), -scale_of(problem)),
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
    level = torch.linspace(-2, 2, graphs)[:, None, None]
    circle = torch.stack([torch.arange(edges), torch.arange(1, edges + 1) % max(edges, 1)], 1).expand(graphs, edges, 2)
    return gmssl.Problem.build(level.expand(-1, n, m).contiguous(), circle, circle, torch.zeros(graphs, edges, edges))


def _no_better(labelled: torch.Tensor, renamed: torch.Tensor) -> bool:
    """The mean paired difference is within four standard errors of 0, or below."""
    gain = labelled - renamed
    return bool(gain.mean() <= 4 * gain.std() / len(gain) ** 0.5 + 1e-6)
