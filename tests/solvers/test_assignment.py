"""Linear assignment in all its versions against SciPy, and against its own dual, which proves an optimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from gmssl.solvers.assignment_numba import assign_rectangular


@st.composite
def cost_matrices(draw, max_n=12, max_more=6):
    """Costs `[n,m]`, n ≤ m, with ties, wide scales and forbidden pairs (+inf), feasible or not."""
    n = draw(st.integers(1, max_n))
    m = n + draw(st.integers(0, max_more))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    cost = random.integers(-3, 4, (n, m)).astype(float) if draw(st.booleans()) else random.normal(size=(n, m))
    cost[random.random((n, m)) < draw(st.sampled_from([0.0, 0.0, 0.4, 0.8]))] = np.inf
    return cost * draw(st.sampled_from([1e-20, 1.0, 1e20]))


def scipy_optimum(cost):
    """The least total, or None if there is no matching."""
    try:
        return cost[linear_sum_assignment(cost)].sum()
    except ValueError:
        return None


@given(cost_matrices())
def test_rectangular_agrees_with_scipy_and_certifies_itself(cost):
    n, m = cost.shape
    columns, row, column = np.empty(n, np.int64), np.empty(n), np.empty(m)
    optimum = scipy_optimum(cost)
    assert assign_rectangular(cost, columns, row, column) == (optimum is not None)
    if optimum is None:
        return
    scale = np.abs(cost[np.isfinite(cost)]).max(initial=1e-300)
    assert len(set(columns.tolist())) == n
    assert cost[np.arange(n), columns].sum() == pytest.approx(optimum, abs=1e-12 * n * scale)
    reduced = cost - row[:, None] - column
    assert reduced.min() >= -1e-15 * scale
    assert np.abs(reduced[np.arange(n), columns]).max() <= 1e-13 * scale
    assert (column <= 0).all()
    assert (column[np.setdiff1d(np.arange(m), columns)] == 0).all()
    assert row.sum() + column.sum() == pytest.approx(optimum, abs=1e-12 * n * scale)


def test_more_rows_than_columns_are_refused():
    assert not assign_rectangular(np.zeros((3, 2)), np.empty(3, np.int64), np.empty(3), np.empty(2))
