from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import ProblemError
from gmssl.problem.formats import from_koopmans_beckmann
from gmssl.testing.oracles import energy_of, matchings


def objective(a, b, c, columns) -> float:
    """Σ A_ij B_p(i)p(j) + Σ C_ip(i) in plain loops."""
    matched = [i for i, s in enumerate(columns) if s >= 0]
    total = sum(c[i][columns[i]] for i in matched)
    return total + sum(a[i][j] * b[columns[i]][columns[j]] for i in matched for j in matched)


@given(
    st.sampled_from([(1, 1, 1), (3, 3, 3), (1, 3, 1), (3, 1, 1), (1, 1, 3)]),
    st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**31), st.booleans(), st.booleans(),
)  # fmt: skip
def test_energies_are_the_objective(graphs, n, m, seed, linear, partial):
    generator = torch.Generator().manual_seed(seed)

    def small(*shape):
        return torch.randint(-2, 3, shape, generator=generator)

    a, b, c = small(graphs[0], n, n), small(graphs[1], m, m), small(graphs[2], n, m)
    problem = from_koopmans_beckmann(a, b, c if linear else None, partial=partial)
    c = c if linear else torch.zeros(1, n, m)
    assert problem.costs.vertex.dtype == torch.float64
    for g in range(len(problem.costs.vertex)):
        one, other, third = (x.expand(max(graphs), -1, -1)[g].tolist() for x in (a, b, c))
        for columns in matchings(problem, g):
            assert energy_of(problem, g, columns) == objective(one, other, third, columns)


def test_zeros_are_no_edges_and_the_diagonal_is_charged_with_vertices():
    a, b = np.array([[2.0, 1.0], [0.0, 0.0]]), np.array([[3.0, 0.0, 5.0], [7.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
    problem = from_koopmans_beckmann(a, b)
    assert problem.topology.left.tolist() == [[[0, 1]]]
    assert problem.topology.right.tolist() == [[[0, 2], [1, 0]]]
    assert problem.costs.edge.tolist() == [[[5, 7]]]
    assert problem.costs.vertex.tolist() == [[[6, 0, 8], [0, 0, 0]]]


def test_an_entry_that_one_instance_needs_is_an_edge_of_all():
    a = torch.zeros(2, 2, 2)
    a[0, 0, 1], a[1, 1, 0] = 1.0, 2.0
    problem = from_koopmans_beckmann(a, torch.tensor([[0.0, 3.0], [0.0, 0.0]]))
    assert problem.topology.left.tolist() == [[[0, 1], [1, 0]]] * 2
    assert problem.costs.edge.tolist() == [[[3], [0]], [[0], [6]]]


def test_mask_and_dtype_are_kept():
    allowed = torch.eye(2, dtype=torch.bool)
    problem = from_koopmans_beckmann(torch.ones(3, 2, 2), torch.ones(2, 2), allowed=allowed, partial=True)
    assert problem.topology.allowed.tolist() == [allowed.tolist()] * 3
    assert problem.topology.partial
    assert problem.costs.vertex.dtype == problem.costs.edge.dtype == torch.float32


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (2, 2), None), "A has shape"),
        (((2, 2), (2,), None), "B has shape"),
        (((2, 2), (3, 3), (3, 2)), "do not fit"),
        (((2, 2, 2), (3, 2, 2), None), "do not fit"),
        (((2, 2, 2), (2, 2), (3, 2, 2)), "do not fit"),
    ],
)
def test_shapes_that_do_not_fit(shapes, message):
    with pytest.raises(ProblemError, match=message):
        from_koopmans_beckmann(*(None if shape is None else torch.zeros(shape) for shape in shapes))


def test_more_than_a_machine_holds_is_refused():
    dense = torch.ones(1, 1).expand(150, 150)
    with pytest.raises(ProblemError, match="22350×22350 edge pairs are 499522500 numbers"):
        from_koopmans_beckmann(dense, dense)
