from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError
from gmssl.problem.formats import from_lawler, to_lawler
from gmssl.testing.oracles import energy_of, matchings
from gmssl.testing.strategies import problems


def quadratic_form(matrix: list[list[float]], columns: tuple[int, ...], n: int, m: int, column_major: bool) -> float:
    """xᵀKx in plain loops."""
    chosen = [s * n + i if column_major else i * m + s for i, s in enumerate(columns) if s >= 0]
    return sum(matrix[a][b] for a in chosen for b in chosen)


@given(problems(max_n=4), st.booleans())
def test_the_matrix_has_the_energies_of_the_problem(problem, column_major):
    n, m = problem.costs.vertex.shape[1:]
    for g in range(len(problem.costs.vertex)):
        matrix = to_lawler(problem, g, column_major)
        assert matrix.dtype == problem.costs.vertex.dtype
        for columns in matchings(problem, g):
            found = quadratic_form(matrix.tolist(), columns, n, m, column_major)
            assert found == pytest.approx(energy_of(problem, g, columns), rel=1e-5, abs=1e-5)


@given(problems(max_n=4), st.booleans(), st.booleans())
def test_round_trip_keeps_energies(same_energies, problem, column_major, partial):
    problem = problem.partially() if partial else problem
    n, m = problem.costs.vertex.shape[1:]
    for g in range(len(problem.costs.vertex)):
        matrix = to_lawler(problem, g, column_major)
        same_energies(problem, g, from_lawler(matrix, n, m, column_major, problem.topology.allowed[g], partial))


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31), st.booleans())
def test_any_matrix(graphs, n, m, seed, column_major):
    """Also one that is not symmetric and has entries for two pairs of one row."""
    generator = torch.Generator().manual_seed(seed)
    matrices = torch.randint(-1, 2, (graphs, n * m, n * m), generator=generator)
    problem = from_lawler(matrices, n, m, column_major)
    assert problem.costs.vertex.dtype == torch.float64
    for g in range(graphs):
        for columns in matchings(problem, g):
            expected = quadratic_form(matrices[g].tolist(), columns, n, m, column_major)
            assert energy_of(problem, g, columns) == expected


def test_only_entries_that_are_not_zero_become_edges():
    matrix = np.zeros((6, 6))  # n = 2, m = 3
    matrix[0, 4], matrix[4, 0], matrix[1, 2] = 5.0, 2.0, 9.0  # (0,0) with (1,1), twice; two pairs of row 0
    problem = from_lawler(matrix, 2, 3)
    assert problem.topology.left.tolist() == [[[0, 1]]]
    assert problem.topology.right.tolist() == [[[0, 1]]]
    assert problem.costs.edge.tolist() == [[[7.0]]]


def test_column_major_is_the_order_of_pygmtools():
    matrix = torch.diag(torch.arange(6.0))
    assert from_lawler(matrix, 2, 3, column_major=True).costs.vertex.tolist() == [[[0, 2, 4], [1, 3, 5]]]
    assert from_lawler(matrix, 2, 3).costs.vertex.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_pygmtools_builds_the_same_matrix():
    """Of features whose inner products are affinities; costs are the negative of them, the index is column-major."""
    pygmtools = pytest.importorskip("pygmtools")
    generator = np.random.default_rng(0)
    nodes, edges = [generator.normal(size=(k, 3)) for k in (4, 5)], [generator.normal(size=(k, 3)) for k in (6, 7)]
    ends = [np.array(list(permutations(range(k), 2))[:size]) for k, size in ((4, 6), (5, 7))]
    features = nodes[0], edges[0], ends[0], nodes[1], edges[1], ends[1]
    theirs = pygmtools.utils.build_aff_mat(*features, backend="numpy")
    tensors = (-nodes[0] @ nodes[1].T, *ends, -edges[0] @ edges[1].T)
    problem = gmssl.Problem.build(*(torch.from_numpy(x)[None] for x in tensors))
    np.testing.assert_allclose(-to_lawler(problem, 0, column_major=True).numpy(), theirs, atol=1e-12)


def test_gradients_reach_the_matrix():
    matrix = torch.rand(4, 4, requires_grad=True)
    problem = from_lawler(matrix, 2, 2)
    (problem.costs.vertex.sum() + problem.costs.edge.sum()).backward()
    assert matrix.grad is not None
    assert matrix.grad.tolist() == [[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize("shape", [(4,), (4, 5), (5, 5), (2, 2, 4, 4)])
def test_wrong_shape(shape):
    with pytest.raises(ProblemError, match=r"ask for \[4,4\]"):
        from_lawler(torch.zeros(shape), 2, 2)
