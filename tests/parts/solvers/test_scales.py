"""Costs of any size: offsets, forbidden pairs written as large costs, units; and numbers that a dtype cannot hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

import gmssl
from gmssl.errors import ProblemError
from gmssl.parts.solvers.plain import plain
from gmssl.problem import Problem, energy
from gmssl.testing.generators import paired_embeddings

EXHAUSTIVE = gmssl.part("solver", "exhaustive")
SIZES = [(2, 2), (2, 3), (3, 2), (3, 3), (4, 3), (3, 5), (5, 5)]
SOLVERS = {"robust_tabu": 1e-6, "lagrange": 1e-4, "exact": 1e-6}
"""And the relative gap at which each may call itself converged."""


def integers(graphs: int, n: int, m: int, seed: int) -> tuple[list[torch.Tensor], torch.Generator]:
    """Vertex costs, left edges, right edges and edge costs, in units of 1; and the generator that drew them."""
    generator = torch.Generator().manual_seed(seed)

    def edges(size: int) -> torch.Tensor:
        tails = torch.randint(0, size, (graphs, 6), generator=generator)
        steps = torch.randint(1, size, (graphs, 6), generator=generator)
        return torch.stack([tails, (tails + steps) % size], 2)

    vertex = torch.randint(-50, 50, (graphs, n, m), generator=generator).double()
    edge = torch.randint(-20, 20, (graphs, 6, 6), generator=generator).double()
    return [vertex, edges(n), edges(m), edge], generator


def optimum(problem: Problem) -> torch.Tensor:
    """By enumeration in float64."""
    double = problem.with_costs(problem.costs.map(torch.Tensor.double))
    return gmssl.solve(double, EXHAUSTIVE).energy


def reached(problem: Problem, solution: gmssl.Solution) -> torch.Tensor:
    """The energy of a solution's matching in float64."""
    double = (x.map(torch.Tensor.double) for x in (problem.costs, solution.matching))
    return energy(*double)


def require_honest(problem: Problem, kind: str) -> None:
    best, solution = optimum(problem), gmssl.solve(problem, gmssl.part("solver", kind))
    found = reached(problem, solution)
    wrong = found - best > 1.001 * SOLVERS[kind] * best.abs()
    assert kind != "robust_tabu" or not wrong[solution.agreed].any(), "searches agree in the wrong place"
    assert not (wrong & solution.converged).any(), (found - best)[wrong & solution.converged]
    if solution.bound is not None:
        assert (solution.bound.double() <= best + 1e-15 * best.abs()).all(), "a bound is above the optimum"
    if kind == "exact":
        assert solution.converged.all()


@pytest.mark.parametrize("kind", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [1e3, 1e7, 1e12])
def test_a_constant_on_all_vertex_costs_changes_no_answer(kind: str, dtype: torch.dtype, offset: float) -> None:
    for seed, (n, m) in enumerate(SIZES):
        (vertex, left, right, edge), _ = integers(8, n, m, seed)
        problem = Problem.build((vertex + offset).to(dtype), left, right, edge.to(dtype))
        require_honest(problem, kind)
        if kind == "exact":
            solution = gmssl.solve(problem, gmssl.part("solver", kind))
            assert torch.equal(reached(problem, solution), optimum(problem)), "integers: float64 tells them apart"


@pytest.mark.parametrize("kind", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("large", [1e3, 1e8, 1e12, 1e30])
def test_pairs_may_be_forbidden_by_a_large_cost(kind: str, dtype: torch.dtype, large: float) -> None:
    for seed, (n, m) in enumerate(SIZES):
        (vertex, left, right, edge), generator = integers(8, n, m, seed)
        vertex[torch.rand(vertex.shape, generator=generator) < 0.3] = large
        vertex[:, torch.arange(min(n, m)), torch.arange(min(n, m))] = 40  # one matching pays none of them
        edge[torch.rand(edge.shape, generator=generator) < 0.1] = large
        require_honest(Problem.build(vertex.to(dtype), left, right, edge.to(dtype)), kind)


@pytest.mark.parametrize("kind", SOLVERS)
@pytest.mark.parametrize("unit", [1e-30, 1e-10, 1e30])
def test_units_change_no_answer(kind: str, unit: float) -> None:
    for seed, (n, m) in enumerate(SIZES):
        (vertex, left, right, edge), _ = integers(8, n, m, seed)
        for dtype in (torch.float32, torch.float64):
            problem = Problem.build((vertex * unit).to(dtype), left, right, (edge * unit).to(dtype))
            require_honest(problem, kind)


def test_a_decided_node_is_no_child_of_itself() -> None:
    one = torch.tensor([[[1, 0]]])
    vertex = torch.tensor([[[-4000.0, 9000.0, 7000.0], [6000.0, 4000.0, 8000.0]]])
    problem = Problem.build(vertex, one, one, torch.tensor([[[5.0]]]))
    solution = gmssl.solve(problem, gmssl.part("solver", "exact", nodes=100))  # of six matchings
    assert solution.converged.item()
    assert solution.energy.item() == optimum(problem).item()


@pytest.mark.parametrize("ratio", [1, 100, 1e4, 1e6])
def test_all_small_problems_are_proven(ratio: float) -> None:
    for n, m in product(range(2, 5), repeat=2):
        (vertex, left, right, edge), _ = integers(6, n, m, n + 4 * m)
        problem = Problem.build(vertex * ratio, left, right, edge)
        solution = gmssl.solve(problem, gmssl.part("solver", "exact", nodes=2000))
        assert solution.converged.all()
        torch.testing.assert_close(solution.energy, optimum(problem), rtol=1e-6, atol=0)


def test_no_solver_returns_less_than_the_best_it_has_seen() -> None:
    """A crippled search leaves all the work to the roundings of the ascent, among which one is best."""
    weak = {"kind": "robust_tabu", "starts": 1, "iterations": 0}
    for seed in range(20):
        (vertex, left, right, edge), generator = integers(4, 6, 7, seed)
        vertex[torch.rand(vertex.shape, generator=generator) < 0.4] = 1e8
        problem = Problem.build(vertex, left, right, edge)
        searched = gmssl.solve(problem, gmssl.part("solver", **weak))
        found = gmssl.solve(problem, gmssl.part("solver", "lagrange", polish=weak))
        assert (found.energy <= searched.energy).all()
        assert (found.energy >= optimum(problem)).all()


def test_bounds_are_rounded_down() -> None:
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    vertex = torch.tensor([[[2.0**24, 2.0**26], [2.0**26, 3.0]]])
    problem = Problem.build(vertex, none, none, torch.zeros(1, 0, 0))
    for kind in ("lap", "exhaustive", "exact", "lagrange"):
        solution = gmssl.solve(problem, gmssl.part("solver", kind))
        assert solution.bound is not None
        assert solution.bound.double().item() <= 2**24 + 3, "which float32 does not hold"


@pytest.mark.parametrize("kind", ["lap", "exhaustive", "robust_tabu", "lagrange", "exact"])
@pytest.mark.parametrize(("dtype", "large"), [(torch.float16, 6e4), (torch.float32, 3e38), (torch.float64, 1e308)])
def test_energies_beyond_the_dtype_are_refused_by_that_reason(kind: str, dtype: torch.dtype, large: float) -> None:
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    problem = Problem.build(torch.full((1, 2, 2), large, dtype=dtype), none, none, torch.zeros(1, 0, 0, dtype=dtype))
    with pytest.raises(ProblemError, match="beyond the numbers of"):
        gmssl.solve(problem, gmssl.part("solver", kind))


def test_an_optimum_of_zero_has_no_gap() -> None:
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    vertex = torch.tensor([[[0.1, 0.7, 0.3], [0.2, -0.3, 0.9], [0.6, 0.8, 0.2]]], dtype=torch.float64)
    problem = Problem.build(vertex, none, none, torch.zeros(1, 0, 0, dtype=torch.float64))
    for kind in ("exact", "lagrange", "lap", "exhaustive"):
        solution = gmssl.solve(problem, gmssl.part("solver", kind))
        assert abs(solution.energy.item()) < 1e-15
        assert solution.gap is not None
        assert solution.gap.item() == 0
        assert solution.converged.all()


def none(graphs: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """No left edge, no right edge, and what they cost."""
    edges = torch.zeros(graphs, 0, 2, dtype=torch.long)
    return edges, edges, torch.zeros(graphs, 0, 0, dtype=dtype)


CERTAIN = {"exact": {}, "lagrange": {"iterations": 3, "every": 1}}
"""Solvers that prove; the second hardly ever does, so that both answers occur."""


@pytest.mark.parametrize("kind", CERTAIN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("factor", "offset"), [(1.0, 0.0), (1.0, 1e5), (1.0, 1e9), (1e-14, 0.0), (1e-30, 0.0), (1e20, 1e25)]
)
def test_converged_is_a_gap_within_the_tolerance(kind: str, dtype: torch.dtype, factor: float, offset: float) -> None:
    """And nothing else is, whoever judges: the solver, `Solution.gap`, or `certify`, of all matchings in turn."""
    solver = gmssl.part("solver", kind, **CERTAIN[kind])
    for seed, (n, m) in enumerate([(3, 3), (4, 3), (3, 5), (5, 5)]):
        (vertex, left, right, edge), _ = integers(8, n, m, seed)
        problem = Problem.build((vertex * factor + offset).to(dtype), left, right, (edge * factor).to(dtype))
        solution = gmssl.solve(problem, solver)
        assert solution.gap is not None
        assert torch.equal(solution.converged, solution.gap <= solver.tolerance)
        for matching in (solution.matching.vertex, torch.eye(max(n, m), dtype=dtype)[:n, :m].expand(8, n, m)):
            certified = gmssl.certify(problem, matching, solver)
            assert certified.gap is not None
            assert torch.equal(certified.converged, certified.gap <= 1e-6)
            above = reached(problem, certified) - optimum(problem)
            assert not (certified.converged & (above > 1e-5 * factor)).any(), "integers, so a wrong one is 1 above"


@pytest.mark.parametrize("kind", ["lap", "exhaustive", "exact", "lagrange"])
def test_proofs_in_single_precision_show_no_gap(kind: str) -> None:
    """Bounds are rounded down, after the gap was measured."""
    vertex = torch.tensor([[[2.0**24, 2.0**26], [2.0**26, 3.0]]])
    solution = gmssl.solve(Problem.build(vertex, *none(1, torch.float32)), gmssl.part("solver", kind))
    assert solution.gap is not None
    assert solution.bound is not None
    assert (solution.bound < solution.energy).all()
    assert (solution.gap == 0).all()
    assert solution.converged.all()


def test_a_constant_is_no_rounding_of_what_decides() -> None:
    """Beside 10¹⁵ a difference of 1 is held by float64, though it is less than what a sum of such numbers may lose."""
    (vertex, left, right, edge), _ = integers(8, 4, 4, 0)
    problem = Problem.build(vertex + 2.0**50, left, right, edge)
    matching = torch.eye(4, dtype=torch.float64).expand(8, 4, 4)
    for kind in ("exact", "lagrange"):
        certified = gmssl.certify(problem, matching, gmssl.part("solver", kind))
        above = reached(problem, certified) - optimum(problem)
        assert (above > 0).any()
        assert not certified.converged[above > 0].any()


def test_a_gap_at_energy_zero_is_open() -> None:
    """However small its units are: relative to 0 every difference is infinite."""
    vertex, none_ = torch.tensor([[[0.0, 1.0], [2.0, 0.0]]], dtype=torch.float64) * 1e-14, none(1, torch.float64)
    problem = Problem.build(vertex, *none_)
    solution = gmssl.solve(problem, gmssl.part("solver", "lap"))
    assert (solution.energy, solution.gap) == (0, 0)
    lower = replace(solution, bound=solution.bound - 1e-20)
    assert lower.gap == torch.inf
    assert not lower.judged(1.0).converged


def test_no_difference_is_told_that_energy_and_bound_do_not_have() -> None:
    """Whoever replaces a bound need not know of it."""
    solution = gmssl.solve(Problem.build(torch.ones(1, 2, 2), *none(1, torch.float32)), gmssl.part("solver", "lap"))
    assert solution.bound is not None
    lower = replace(solution, bound=solution.bound - 1)
    assert lower.gap == 0.5


def complete(graphs: int, n: int, m: int, seed: int) -> tuple[list[torch.Tensor], torch.Generator]:
    """As `integers`, with edges between all different vertices of either side, in any order."""
    generator = torch.Generator().manual_seed(seed)

    def edges(size: int) -> torch.Tensor:
        every = torch.tensor([(i, j) for i in range(size) for j in range(size) if i != j])
        return torch.stack([every[torch.randperm(len(every), generator=generator)] for _ in range(graphs)])

    vertex = torch.randint(-50, 50, (graphs, n, m), generator=generator).double()
    left, right = edges(n), edges(m)
    edge = torch.randint(-20, 20, (graphs, left.shape[1], right.shape[1]), generator=generator).double()
    return [vertex, left, right, edge], generator


@pytest.mark.parametrize("kind", SOLVERS)
@pytest.mark.parametrize("size", [1e5, 1e7, -1e7, 1e12])
def test_constants_on_edge_costs_of_complete_graphs_change_no_answer(kind: str, size: float) -> None:
    """Every matching meets all edges of the shorter side once, so what they have in common decides nothing."""
    for seed, (n, m) in enumerate([*SIZES, (4, 4), (5, 4)]):
        (vertex, left, right, edge), generator = complete(6, n, m, seed)
        edge[torch.rand(edge.shape, generator=generator) < 0.05] += 1e3
        constants = size * torch.randint(1, 3, edge.shape, generator=generator).double()
        constants = (
            constants[:, :, :1] if n < m else constants[:, :1] if n > m else constants[:, :1] - constants[:, :, :1]
        )
        given = Problem.build(vertex, left, right, edge)
        shifted = Problem.build(vertex, left, right, edge + constants)
        require_honest(shifted, kind)
        solution = gmssl.solve(shifted, gmssl.part("solver", kind))
        found = energy(given.costs, solution.matching)
        assert torch.equal(found, optimum(given)), "integers, which float64 tells apart beside the constants"
        assert kind != "exact" or solution.converged.all()
        assert kind != "robust_tabu" or solution.agreed.all()


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_what_looks_like_a_constant_and_is_none_decides(offset: float) -> None:
    """An edge that is missing, listed twice or a loop, and vertices that stay unmatched, meet others or none."""
    for seed, kind in product(range(4), ("missing", "twice", "loop", "partial", "longer")):
        n, m = (4, 3) if kind == "longer" else (3, 4)
        (vertex, left, right, edge), generator = complete(6, n, m, seed)
        edge += offset * torch.randint(1, 3, edge.shape[:2], generator=generator)[:, :, None]
        if kind == "missing":
            right, edge = right[:, :-1], edge[:, :, :-1]
        elif kind == "twice":
            right, edge = (
                torch.cat([x, x[..., :1, :] if x is right else x[..., :1]], k) for x, k in ((right, 1), (edge, 2))
            )
        elif kind == "loop":
            left = left.clone()
            left[:, 0, 1] = left[:, 0, 0]
        problem = Problem.build(vertex, left, right, edge, partial=kind == "partial")
        solution = gmssl.solve(problem, gmssl.part("solver", "exact"))
        assert solution.converged.all()
        best = optimum(problem)
        assert (reached(problem, solution) - best <= 1e-6 * best.abs()).all()
        require_honest(problem, "lagrange")


def test_costs_of_training_on_complete_graphs_stay_as_they_are() -> None:
    """Negated cosines, however well they are matched: no bit of a search changes."""
    for noise in (0.0, 0.3, 3.0):
        problem = paired_embeddings(16, 6, noise=noise, neighbours=5)
        assert problem.topology.left.shape[1] == 30, "complete"
        matching = gmssl.solve(problem, gmssl.part("solver", "robust_tabu")).matching
        assert plain(problem, matching) is None


def with_a_reward(size: float) -> Problem:
    """Circles, and one pair of edges that is worth more than all else: it decides, and hides the rest."""
    (vertex, _, _, edge), _ = integers(20, 6, 6, 6)
    circle = torch.tensor([[i, (i + 1) % 6] for i in range(6)]).expand(20, 6, 2)
    edge[:, 0, 0] -= size
    return Problem.build(vertex + 1e4 * size, circle, circle, edge)


@pytest.mark.parametrize("seconds", [None, 0.02])
def test_what_a_solver_does_not_resolve_is_told_by_that_solver(seconds: float | None) -> None:
    problem = with_a_reward(1e10)
    with pytest.warns(UserWarning, match="robust_tabu: in 20 of 20 instances .* `agreed` is False") as told:
        assert not gmssl.solve(problem, gmssl.part("solver", "robust_tabu", seconds=seconds)).agreed.any()
    assert len(told) == 1
    with pytest.warns(
        UserWarning, match=r"lagrange: in 20 of 20 instances .* `converged` is False there\. Use"
    ) as told:
        solution = gmssl.solve(problem, gmssl.part("solver", "lagrange", seconds=seconds))
    assert len(told) == 1, "the search that it begins with has no solution of its own"
    assert not solution.converged.any()


def test_a_proof_ends_all_doubt() -> None:
    """Warnings are errors in these tests: `exact` gives none where it has proven what its search could not resolve."""
    problem = with_a_reward(1e10)
    solution = gmssl.solve(problem, gmssl.part("solver", "exact"))
    assert solution.converged.all()
    assert torch.equal(reached(problem, solution), optimum(problem))
    with pytest.warns(UserWarning, match="exact: in 20 of 20 instances"):
        assert not gmssl.solve(problem, gmssl.part("solver", "exact", nodes=1)).converged.any()


def test_the_last_round_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where each round of a search still found something better."""
    monkeypatch.setattr("gmssl.parts.solvers.tabu.robust_tabu.RESCALED", 1)
    problem = with_a_reward(1e9)
    with pytest.warns(UserWarning, match="robust_tabu: in .* instances"):
        gmssl.solve(problem, gmssl.part("solver", "robust_tabu", starts=1, iterations=2, agree=None))


@pytest.mark.parametrize("kind", SOLVERS)
@pytest.mark.parametrize("cost", [1e35, -1e35, 1e300])
def test_what_forbidden_pairs_cost_does_not_matter(kind: str, cost: float) -> None:
    for n, m in [(4, 4), (5, 3), (3, 5)]:
        (vertex, left, right, edge), generator = integers(8, n, m, 0)
        allowed = torch.rand(vertex.shape, generator=generator) < 0.7
        allowed[:, range(min(n, m)), range(min(n, m))] = True
        problem = Problem.build(vertex.masked_fill(~allowed, cost), left, right, edge, allowed=allowed)
        assert torch.equal(reached(problem, gmssl.solve(problem, gmssl.part("solver", kind))), optimum(problem))
