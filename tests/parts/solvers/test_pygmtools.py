"""The solvers of pygmtools: the laws, and that its matrix holds our energy."""

from __future__ import annotations

import numpy
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError
from gmssl.parts.solvers.pygmtools import _shifted, _spread, affinity_matrix, raised
from gmssl.testing.oracles import energy_of, matchings
from gmssl.testing.solver_contract import SolverContract
from gmssl.testing.strategies import knn_problem, problems

KINDS = ["rrwm", "ipfp", "sm"]


# All three round the optimum or a local one of a relaxation, which may hide a planted matching that costs 0 to 1 less
# than others; `test_finds_what_is_easy` plants one that costs far less.
class TestRrwm(SolverContract):
    solver = gmssl.part("solver", "rrwm", iterations=5, sinkhorn_iterations=4)
    finds_planted = False


class TestIpfp(SolverContract):
    solver = gmssl.part("solver", "ipfp")
    finds_planted = False


class TestSm(SolverContract):
    solver = gmssl.part("solver", "sm")
    finds_planted = False


def values(matrix: torch.Tensor, problem: gmssl.Problem, instance: int) -> list[tuple[float, float]]:
    """(x'Kx, energy) of every matching, by plain loops."""
    n = problem.costs.vertex.shape[1]
    entries = matrix[instance].tolist()
    found = []
    for columns in matchings(problem, instance):
        ones = [s * n + i for i, s in enumerate(columns) if s >= 0]
        found.append((sum(entries[a][b] for a in ones for b in ones), energy_of(problem, instance, columns)))
    return found


@given(problems(max_graphs=2, max_n=4))
def test_matrix_holds_the_energy(problem: gmssl.Problem) -> None:
    matrix = affinity_matrix(problem)
    assert torch.equal(matrix, matrix.transpose(1, 2))
    for instance in range(len(matrix)):
        for value, energy in values(matrix, problem, instance):
            assert value == pytest.approx(-energy, abs=1e-5)


@given(problems(max_graphs=2, max_n=4))
def test_raised_matrix_keeps_the_order(problem: gmssl.Problem) -> None:
    """x'Kx = a − b·energy with b > 0, the same for every complete matching; entries in [0, 1], positive if usable."""
    matrix = raised(affinity_matrix(problem), problem.topology.allowed)
    assert ((matrix >= 0) & (matrix <= 1)).all()
    assert (matrix.diagonal(dim1=1, dim2=2) > 0).sum() == problem.topology.allowed.sum()
    for instance in range(len(matrix)):
        (value0, energy0), *others = sorted(values(matrix, problem, instance), key=lambda pair: pair[1])
        if not others or others[-1][1] - energy0 < 1e-3:
            assert all(value == pytest.approx(value0, abs=1e-2) for value, _ in others)
            continue
        slope = (value0 - others[-1][0]) / (others[-1][1] - energy0)
        assert slope > 0
        for value, energy in others:
            assert value == pytest.approx(value0 - slope * (energy - energy0), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_constants_change_nothing(kind: str) -> None:
    """A constant on all vertex costs, and a positive factor on all costs, leave the matching as it was."""
    problem = knn_problem(6, 6, noise=0.5, neighbours=2, seed=3)
    solver = gmssl.part("solver", kind)
    costs = problem.costs
    other = gmssl.Problem.build(
        4 * costs.vertex + 8, problem.topology.left, problem.topology.right, 4 * costs.edge, problem.topology.allowed
    )
    before, after = gmssl.solve(problem, solver).energy, gmssl.solve(other, solver).energy
    torch.testing.assert_close(after, 4 * before + 8 * 6, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(6, 6), (4, 7), (7, 4)])
def test_finds_what_is_easy(kind: str, shape: tuple[int, int]) -> None:
    """Planted permutations with low noise, also among forbidden pairs and between sides of different sizes."""
    n, m = shape
    generator = torch.Generator().manual_seed(n)
    left, right = (torch.randint(0, size, (8, 2 * size, 2), generator=generator) for size in (n, m))
    edge, vertex = (0.1 * torch.randn(shape, generator=generator) for shape in ((8, 2 * n, 2 * m), (8, n, m)))
    allowed = (torch.rand(8, n, m, generator=generator) < 0.7) | torch.eye(n, m, dtype=torch.bool)
    given = gmssl.Problem.build(vertex - 2 * torch.eye(n, m), left, right, edge, allowed)
    solution = gmssl.solve(given, gmssl.part("solver", kind))
    assert torch.equal(solution.matching.vertex, torch.eye(n, m).expand(8, n, m))


@pytest.mark.parametrize("kind", KINDS)
def test_backend_of_pygmtools_is_left_alone(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import pygmtools

    problem = knn_problem(3, 5, noise=0.5, neighbours=2)
    solver = gmssl.part("solver", kind)
    before = gmssl.solve(problem, solver)
    monkeypatch.setattr(pygmtools, "BACKEND", "none of them")
    after = gmssl.solve(problem, solver)
    assert pygmtools.BACKEND == "none of them"
    assert torch.equal(before.matching.vertex, after.matching.vertex)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_matter_and_stay(kind: str) -> None:
    problem = knn_problem(2, 10, noise=1.0, seed=8)
    solver = gmssl.part("solver", kind)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(gmssl.solve(problem, solver).matching.vertex)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_without_matching_are_refused(kind: str) -> None:
    allowed = torch.ones(2, 3, 3, dtype=torch.bool)
    allowed[1, :2, 1:] = False
    none = torch.zeros(2, 0, 2, dtype=torch.long)
    problem = gmssl.Problem.build(torch.rand(2, 3, 3), none, none, torch.zeros(2, 0, 0), allowed)
    with pytest.raises(ProblemError, match="instance 1 permits no"):
        gmssl.solve(problem, gmssl.part("solver", kind))


def test_edges_matter() -> None:
    """With vertex costs of 0 the edges decide: a directed path must land on a directed path."""
    path = torch.tensor([[[0, 1], [1, 2], [2, 3]]])
    image = torch.tensor([[[2, 0], [0, 3], [3, 1]]])
    problem = gmssl.Problem.build(torch.zeros(1, 4, 4), path, image, -torch.ones(1, 3, 3))
    for kind in KINDS:
        assert gmssl.solve(problem, gmssl.part("solver", kind)).energy.item() <= -2
    assert gmssl.solve(problem, gmssl.part("solver", "exhaustive")).energy.item() == -3


@given(st.integers(0, 2**31))
def test_more_iterations_of_ipfp_never_hurt(seed: int) -> None:
    """It returns the best assignment it met."""
    problem = knn_problem(2, 6, noise=0.8, neighbours=2, seed=seed)
    one, many = (gmssl.solve(problem, gmssl.part("solver", "ipfp", iterations=i)).energy for i in (1, 50))
    assert (many <= one + 1e-5).all()


@given(problems(max_graphs=2, max_n=5))
def test_penalty_keeps_ipfp_off_forbidden_pairs(problem: gmssl.Problem) -> None:
    """Before any rounding; otherwise rounding would repair what the search never judged."""
    import pygmtools

    assume(problem.costs.vertex.shape[1] <= problem.costs.vertex.shape[2])
    n, m = problem.costs.vertex.shape[1:]
    for matrix, allowed in zip(affinity_matrix(problem), problem.topology.allowed, strict=True):
        start = _spread(allowed[None])
        affinity = _shifted(matrix[None], start, allowed[None]).numpy()
        with numpy.errstate(divide="ignore", invalid="ignore"):
            found = pygmtools.ipfp(affinity, n1max=n, n2max=m, x0=start.numpy(), backend="numpy")[0]
        assert found.sum() == n
        assert (found[~allowed.numpy()] == 0).all()
