from pathlib import Path

import pytest
import torch
from hypothesis import given, settings

import gmssl
from gmssl.testing.generators import paired_embeddings
from gmssl.testing.solver_contract import SolverContract
from gmssl.testing.strategies import problems

EXACT = gmssl.part("solver", "exact")
QAPLIB = Path("/work/shared/data/qap")


class TestExact(SolverContract):
    solver = gmssl.part("solver", "exact", iterations=20)
    examples = 8


@settings(max_examples=15)
@given(problems(max_n=6))
def test_agrees_with_enumeration_however_short_the_ascent(problem):
    """With three steps a node and a crippled search, branching has to do the work."""
    weak = gmssl.part("solver", "robust_tabu", starts=1, iterations=0)
    solution = gmssl.solve(problem, gmssl.part("solver", "exact", iterations=3, polish=weak))
    expected = gmssl.solve(problem, gmssl.part("solver", "exhaustive")).energy
    torch.testing.assert_close(solution.energy, expected, atol=1e-4, rtol=1e-5)
    assert solution.converged.all()
    assert (solution.bound <= expected + 1e-6 * expected.abs()).all()


def test_hard_problems_of_ten_vertices_are_proven():
    problem = paired_embeddings(4, 10, 3.0, gumbel=0.5, seed=3)
    relaxed = gmssl.solve(problem, gmssl.part("solver", "lagrange"))
    assert not relaxed.converged.all()  # else there is nothing to branch on
    solution = gmssl.solve(problem, EXACT)
    assert solution.converged.all()
    assert (solution.gap <= 2e-6).all()
    assert (solution.bound >= relaxed.bound - 1e-3).all()
    search = gmssl.part("solver", "robust_tabu", starts=64, iterations=100, agree=None)
    assert (solution.energy <= gmssl.solve(problem, search).energy + 1e-4).all()


@pytest.mark.parametrize("limit", [{"nodes": 1}, {"seconds": 0.02}])
def test_a_search_that_is_stopped_says_so(limit):
    problem = paired_embeddings(2, 14, 3.0, gumbel=1.0, seed=3)
    stopped = gmssl.solve(problem, gmssl.part("solver", "exact", **limit))
    assert not stopped.converged.any()
    assert (stopped.gap > 1e-3).all()
    search = gmssl.part("solver", "robust_tabu", starts=64, iterations=100, agree=None)
    assert (stopped.bound <= gmssl.solve(problem, search).energy).all()


def test_threads_do_not_matter():
    problem = paired_embeddings(2, 9, 3.0, gumbel=0.5, seed=5)
    one, two = (gmssl.solve(problem, gmssl.part("solver", "exact", threads=t)) for t in (1, 3))
    assert torch.equal(one.matching.vertex, two.matching.vertex)
    assert torch.equal(one.bound, two.bound)


@pytest.mark.skipif(not QAPLIB.is_dir(), reason="QAPLIB instances are not on this machine")
@pytest.mark.parametrize("name", ["chr12a", "had12", pytest.param("nug12", marks=pytest.mark.slow)])
def test_qaplib_is_proven(name):
    from gmssl.problem.formats import read

    (instance,) = read(QAPLIB / f"{name}.dat")
    solution = gmssl.solve(instance.problem, EXACT)
    assert solution.energy.item() == instance.best_known
    assert solution.converged.item()
    assert solution.bound.item() > instance.best_known - 1  # integers: nothing lower exists
