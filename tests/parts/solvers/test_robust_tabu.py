from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.errors import RecipeError
from gmssl.parts.solvers.outcome import outcome
from gmssl.problem import completed, lift
from gmssl.problem.formats import read
from gmssl.testing.strategies import knn_problem, problems

QAPLIB = Path("/work/shared/data/qap")
DD = Path("/work/shared/data/dd")


@pytest.fixture(autouse=True)
def one_torch_thread():
    """Many small operations: torch's threads would mostly wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tabu(**settings):
    return gmssl.part("solver", "robust_tabu", **settings)


def in_torch(problem: gmssl.Problem, solver) -> gmssl.Solution:
    columns, agreed = solver.search_in_torch(problem)
    return outcome(problem, columns, torch.zeros_like(agreed), proven=False, agreed=agreed)


def double_energy(problem: gmssl.Problem, solution: gmssl.Solution) -> torch.Tensor:
    matching = solution.matching.map(torch.Tensor.double)
    return gmssl.energy(problem.costs.map(torch.Tensor.double), matching)


@given(problems(max_n=6))
def test_finds_the_optimum_of_small_problems(problem):
    expected = gmssl.solve(problem, gmssl.part("solver", "exhaustive")).energy
    found = gmssl.solve(problem, tabu(starts=24, agree=None))
    torch.testing.assert_close(found.energy, expected, atol=1e-4, rtol=1e-5)


@settings(max_examples=25)
@given(problems(max_n=5))
def test_torch_finds_the_optimum_of_small_problems(problem):
    expected = gmssl.solve(problem, gmssl.part("solver", "exhaustive")).energy
    found = in_torch(problem, tabu(starts=24, agree=None))
    torch.testing.assert_close(found.energy, expected, atol=1e-4, rtol=1e-5)


@settings(max_examples=10)
@given(problems(max_n=5))
def test_torch_is_independent_of_batch(problem):
    solver = tabu(starts=2, iterations=5)
    together = in_torch(problem, solver).matching.vertex
    for graph in range(len(together)):
        index = torch.tensor([graph])
        assert torch.equal(in_torch(problem.select(index), solver).matching.vertex, together[index])


def expect_torch_to_equal_numba(problem, **settings):
    solver = tabu(**settings)
    for one, other in zip(solver.search_in_torch(problem), solver._compiled(problem), strict=True):
        assert torch.equal(one, other), settings


@given(problems(max_n=6), st.sampled_from([None, 2]), st.integers(0, 2))
def test_torch_equals_numba(problem, agree, seed):
    expect_torch_to_equal_numba(problem, starts=4, iterations=15, agree=agree, seed=seed)


@pytest.mark.parametrize(("n", "m"), [(16, 16), (27, 27), (30, 10), (10, 30), (65, 65)])
@pytest.mark.parametrize("density", [1.0, 0.7])
def test_torch_equals_numba_with_blocks_and_crossover(n, m, density):
    random = torch.Generator().manual_seed(n + m)
    left, right = (torch.randint(0, size, (3, 2 * n, 2), generator=random) for size in (n, m))
    # Small integers: ties.
    costs = (torch.randn(3, *shape, generator=random).round() for shape in ((n, m), (2 * n, 2 * n)))
    allowed = (torch.rand(3, n, m, generator=random) < density) | torch.eye(n, m, dtype=torch.bool)
    problem = gmssl.Problem.build(next(costs), left, right, next(costs), allowed=allowed)
    expect_torch_to_equal_numba(problem, starts=6, iterations=n, agree=None)
    expect_torch_to_equal_numba(problem, starts=5, iterations=n, agree=2, seed=1)


def test_easy_problems_are_solved_to_their_truth():
    problem = knn_problem(16, 16, noise=0.0)
    solution = gmssl.solve(problem, tabu())
    truth = lift(problem.target, problem.topology)
    assert (solution.energy <= gmssl.energy(problem.costs, truth) + 1e-4).all()
    assert (solution.matching.vertex * problem.target).sum() > 0.98 * problem.target.sum()
    assert solution.agreed.all()
    assert not solution.converged.any(), "searches that agree prove nothing"
    assert solution.bound is None


def test_more_search_is_no_worse():
    problem = knn_problem(20, 16, noise=1.0, seed=2)
    few, many = (double_energy(problem, gmssl.solve(problem, tabu(starts=s, agree=None))) for s in (1, 12))
    assert (many <= few + 1e-6).all()  # the first start is the same
    assert many.mean() < few.mean()


def test_neither_threads_nor_order_of_the_batch_matter():
    problem = knn_problem(9, 12, noise=0.6)
    alone = gmssl.solve(problem, tabu(threads=1))
    for threads in (2, 5):
        shared = gmssl.solve(problem, tabu(threads=threads))
        assert torch.equal(alone.matching.vertex, shared.matching.vertex)
        assert torch.equal(alone.matching.edge, shared.matching.edge)
        assert torch.equal(alone.energy, shared.energy)
        assert torch.equal(alone.agreed, shared.agreed)
    backwards = torch.arange(8, -1, -1)
    turned = gmssl.solve(problem.select(backwards), tabu())
    assert torch.equal(turned.matching.vertex, alone.matching.vertex[backwards])


def _solve_and_report(problem, pipe):
    pipe.send(gmssl.solve(problem, tabu(threads=2)).energy.tolist())


def test_survives_a_fork():
    # DataLoader workers are forked after the parent has used its threads.
    problem = knn_problem(6, 8)
    expected = gmssl.solve(problem, tabu(threads=2)).energy.tolist()
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_solve_and_report, args=(problem, there))
    child.start()
    try:
        assert here.poll(60), "the child hangs"
        assert here.recv() == expected
    finally:
        child.kill()
        child.join()
        here.close()
        there.close()


def test_seed_changes_the_search_and_nothing_else_does():
    problem = knn_problem(20, 16, noise=1.0)
    short = {"starts": 4, "iterations": 20, "agree": None}
    one, again, other = (gmssl.solve(problem, tabu(**short, seed=s)) for s in (0, 0, 1))
    assert torch.equal(one.matching.vertex, again.matching.vertex)
    assert not torch.equal(one.matching.vertex, other.matching.vertex)


@pytest.mark.parametrize("factor", [1e-300, 1e-40, 1e40, 1e300])
def test_scale_of_float64_costs_does_not_matter(factor):
    problem = knn_problem(4, 8)
    big = problem.with_costs(problem.costs.map(lambda x: x.double() * factor))
    same = problem.with_costs(problem.costs.map(torch.Tensor.double))
    one, other = (gmssl.solve(p, tabu(starts=30, iterations=100)) for p in (big, same))
    torch.testing.assert_close(one.energy / factor, other.energy, rtol=1e-6, atol=1e-6)


def test_a_forbidden_truth_is_avoided_however_cheap():
    problem = knn_problem(8, 8, noise=0.0)
    allowed = ~torch.eye(8, dtype=torch.bool).expand(8, 8, 8)
    cheap = problem.costs.vertex - 100 * torch.eye(8)
    masked = gmssl.Problem.build(
        cheap, problem.topology.left, problem.topology.right, problem.costs.edge, allowed=allowed
    )
    for solution in (gmssl.solve(masked, tabu()), in_torch(masked, tabu())):
        assert (solution.matching.vertex.diagonal(dim1=1, dim2=2) == 0).all()
        assert (solution.matching.vertex.sum((1, 2)) == 8).all()


@pytest.mark.parametrize("searched", [gmssl.solve, in_torch])
def test_ties_between_edges_fall_at_chance(searched):
    graphs, n = 600, 4
    edges = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0]]).expand(graphs, 4, 2)
    vertex = torch.linspace(-2, 2, graphs)[:, None, None].expand(graphs, n, n).contiguous()
    problem = gmssl.Problem.build(vertex, edges, edges, torch.zeros(graphs, 4, 4))
    hits = searched(problem, tabu(starts=2, iterations=10)).matching.vertex.diagonal(dim1=1, dim2=2).mean()
    # The diagonal entries of one instance hang together, hence graphs and not graphs·n trials.
    assert abs(float(hits) - 1 / n) < 5 * (0.25 * 0.75 / graphs) ** 0.5


@pytest.mark.parametrize(("n", "m"), [(6, 6), (5, 9), (12, 7)])
def test_torch_equals_numba_with_blanks(n, m):
    expect_torch_to_equal_numba(completed(sparse_problem(3, n, m)), starts=3, iterations=40, agree=None)


def sparse_problem(graphs, n, m):
    """Few placements pay, so that the optimum leaves vertices out and has to be found among many zeros."""
    random = torch.Generator().manual_seed(n + m)
    left, right = (torch.randint(0, size, (graphs, 2 * size, 2), generator=random) for size in (n, m))
    vertex = torch.randn(graphs, n, m, generator=random).clamp(min=-2) + 1.5
    return gmssl.Problem.build(vertex, left, right, torch.randn(graphs, 2 * n, 2 * m, generator=random), partial=True)


def test_blanks_do_not_keep_the_search_busy():
    """Of these instances 98 in a hundred are solved."""
    problem = sparse_problem(100, 8, 8)
    optimum = gmssl.solve(problem, gmssl.part("solver", "exact")).energy
    found = gmssl.solve(problem, tabu(starts=4, iterations=50, agree=None)).energy
    assert (found <= optimum + 1e-4).float().mean() > 0.95


def drawn(graphs, n, m, partial, seed=0):
    random = torch.Generator().manual_seed(seed)
    left, right = (torch.randint(0, size, (graphs, 2 * size, 2), generator=random) for size in (n, m))
    costs = torch.randn(graphs, n, m, generator=random), torch.randn(graphs, 2 * n, 2 * m, generator=random)
    return gmssl.Problem.build(costs[0], left, right, costs[1], partial=partial)


@pytest.mark.parametrize(("n", "m", "partial"), [(8, 8, True), (16, 8, False)])
def test_who_is_left_out_is_found_by_default(n, m, partial):
    """As seldom wrong as complete problems; one in twenty was when each dummy had a memory of its own."""
    problem = drawn(200, n, m, partial)
    optimum = gmssl.solve(problem, gmssl.part("solver", "exact", polish={"kind": "robust_tabu", "starts": 64})).energy
    wrong = gmssl.solve(problem, tabu()).energy > optimum + 1e-4
    assert wrong.sum() <= 3


def test_a_long_search_leaves_any_valley():
    """Searches were caught for ever among the n! names of the dummies: 18 of these were wrong, however long it took."""
    problem = sparse_problem(100, 8, 8)
    optimum = gmssl.solve(problem, gmssl.part("solver", "exact")).energy
    found = gmssl.solve(problem, tabu(starts=2, iterations=2000, agree=None)).energy
    assert (found <= optimum + 1e-4).all()


@pytest.mark.skipif(not DD.is_dir(), reason="the house problems are not on this machine")
def test_house_is_solved_by_default():
    (house,) = DD.glob("house*")
    for instance in read(house):
        optimum = gmssl.solve(instance.problem, gmssl.part("solver", "exact")).energy
        assert gmssl.solve(instance.problem, tabu()).energy <= optimum + 1e-6, instance.name


def test_partial_problem_recombines_and_leaves_dummies():
    random = torch.Generator().manual_seed(0)
    edges = torch.randint(0, 30, (2, 90, 2), generator=random)
    right = torch.randint(0, 10, (2, 30, 2), generator=random)
    costs = torch.randn(2, 30, 10, generator=random), torch.randn(2, 90, 30, generator=random)
    problem = gmssl.Problem.build(costs[0], edges, right, costs[1])
    turned = gmssl.Problem.build(costs[0].transpose(1, 2), right, edges, costs[1].transpose(1, 2))
    for p in (problem, turned):
        assert (gmssl.solve(p, tabu(agree=None)).matching.vertex.sum((1, 2)) == 10).all()


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"agree": 1}, {"threads": 0}, {"seed": -1}, {"kicks": 3}])
def test_settings_are_checked(wrong):
    with pytest.raises(RecipeError):
        tabu(**wrong)


def koopmans_beckmann(name: str) -> tuple[gmssl.Problem, int]:
    """A QAPLIB instance, Σ A_ij B_p(i)p(j), as two complete graphs with self-loops, and its listed optimum."""
    numbers = np.array((QAPLIB / f"{name}.dat").read_text().split(), dtype=np.int64)
    n = int(numbers[0])
    flow, distance = torch.from_numpy(numbers[1 : 1 + 2 * n * n].reshape(2, 1, n * n).astype(np.float64))
    pairs = torch.cartesian_prod(torch.arange(n), torch.arange(n))[None]
    edge = flow[:, :, None] * distance[:, None, :]
    best = int((QAPLIB / f"{name}.sln").read_text().split()[1])
    return gmssl.Problem.build(torch.zeros(1, n, n, dtype=torch.float64), pairs, pairs, edge), best


@pytest.mark.skipif(not QAPLIB.is_dir(), reason="QAPLIB instances are not on this machine")
@pytest.mark.parametrize("name", ["chr12a", "had12", "nug12", "rou12", "scr12", "tai12a", "esc16a"])
def test_qaplib(name):
    problem, best = koopmans_beckmann(name)
    assert gmssl.solve(problem, tabu(starts=32, iterations=2000, agree=4)).energy.item() == pytest.approx(best)


@pytest.mark.slow
@pytest.mark.skipif(not QAPLIB.is_dir(), reason="QAPLIB instances are not on this machine")
@pytest.mark.parametrize("name", ["chr15a", "chr20b", "els19", "had20", "nug20", "nug30", "rou20", "tai20a"])
def test_qaplib_larger(name):
    problem, best = koopmans_beckmann(name)
    assert gmssl.solve(problem, tabu(starts=512, iterations=4000, agree=12)).energy.item() == pytest.approx(best)
