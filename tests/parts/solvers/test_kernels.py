"""The helpers of compiled kernels against independent references."""

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import gmssl
from gmssl.parts.solvers.assignment.lap_numba import assign
from gmssl.parts.solvers.kernels.fold_numba import adjacency, fold, headroom
from gmssl.parts.solvers.kernels.random_numba import below, shuffle
from gmssl.parts.solvers.kernels.threads import unstopped
from gmssl.parts.solvers.outcome import outcome
from gmssl.parts.solvers.relabelling import restored, shuffled
from gmssl.problem import lift, vertex_matching
from gmssl.testing.oracles import energy_of, matchings
from gmssl.testing.strategies import problems


@given(st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.8]))
def test_assign_agrees_with_scipy(n, seed, banned):
    random = np.random.default_rng(seed)
    cost = random.integers(-5, 6, (n, n)).astype(float) if seed % 2 else random.normal(size=(n, n))
    cost[random.random((n, n)) < banned] = np.inf
    columns = np.empty(n, np.int32)
    possible = assign(cost, columns)
    try:
        rows, expected = linear_sum_assignment(cost)
    except ValueError:
        assert not possible
    else:
        assert possible
        assert sorted(columns) == list(range(n))
        np.testing.assert_allclose(cost[np.arange(n), columns].sum(), cost[rows, expected].sum(), atol=1e-9)


@given(problems(max_graphs=1, max_n=4, masks=False, dtypes=(torch.float32,)))
def test_folded_tables_give_the_energy(problem):
    n, m = problem.costs.vertex.shape[1:]
    assume(n >= m)
    vertex, edge = problem.costs.vertex[0].numpy(), problem.costs.edge[0].numpy()
    left, right = (x[0].numpy().astype(np.int32) for x in (problem.topology.left, problem.topology.right))
    entry, first, head = np.empty((n, n), np.int32), np.empty(n + 1, np.int32), np.empty(2 * len(left) + 1, np.int32)
    adjacency(left, entry, first, head)
    unit, penalty = headroom(vertex, edge, left, right, False, 2**28)
    assert penalty == 0
    pairs, single = np.ones((max(first[n], 1), n, n), np.int32), np.ones((n, n), np.int32)
    names = np.arange(n, dtype=np.int32), np.arange(m, dtype=np.int32)
    fold(vertex, edge, left, right, *names, entry, first[n], unit, unstopped(), pairs.ravel(), single.ravel())
    for columns in matchings(problem, 0):
        total = 0
        for i, s in enumerate(columns):
            if s < 0:
                continue
            total += int(single[i, s])
            for k in head[first[i] : first[i + 1]]:
                if k > i and columns[k] >= 0:
                    total += int(pairs[entry[i, k], s, columns[k]])
        assert abs(total / unit - energy_of(problem, 0, columns)) < 1e-4


def test_headroom_leaves_room_for_gains():
    # All costs at their largest, all edges on the same pair: the worst placement there can be.
    left = np.array([[0, 1]] * 7 + [[1, 0]] * 5, np.int32)
    vertex, edge = np.ones((2, 2), np.float32), np.ones((12, 12), np.float32)
    unit, penalty = headroom(vertex, edge, left, left, True, 2**28)
    entry, first, head = np.empty((2, 2), np.int32), np.empty(3, np.int32), np.empty(2, np.int32)
    adjacency(left, entry, first, head)
    pairs, single = np.empty((2, 2, 2), np.int32), np.empty((2, 2), np.int32)
    names = np.arange(2, dtype=np.int32)
    fold(vertex, edge, left, left, names, names, entry, first[2], unit, unstopped(), pairs.ravel(), single.ravel())
    placement = int(np.abs(single).max()) + int(np.abs(pairs).max())
    assert penalty > placement
    assert 4 * (placement + int(penalty)) + 2 * int(np.abs(pairs).max()) < 2**28


def test_below_is_uniform():
    state = np.array([12345], np.uint64)
    counts = np.bincount([below(state, 7) for _ in range(14000)], minlength=7)
    assert len(counts) == 7
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)


def test_shuffle_is_uniform():
    state, often = np.array([99], np.uint64), {}
    for _ in range(6000):
        values = np.arange(3, dtype=np.int32)
        shuffle(state, values, 3)
        often[tuple(values.tolist())] = often.get(tuple(values.tolist()), 0) + 1
    assert len(often) == 6
    assert max(abs(c - 1000) for c in often.values()) < 5 * np.sqrt(1000)


@given(problems())
def test_outcome_equals_lift(problem):
    graphs, n, m = problem.costs.vertex.shape
    long = max(n, m)
    columns = torch.rand(graphs, long).argsort(1)[:, :n]  # ≥ m where unmatched
    found = outcome(problem, columns, torch.ones(graphs, dtype=torch.bool), proven=True)
    expected = lift(vertex_matching(columns, m, problem.costs.vertex.dtype), problem.topology)
    assert torch.equal(found.matching.vertex, expected.vertex)
    assert torch.equal(found.matching.edge, expected.edge)
    torch.testing.assert_close(found.energy, gmssl.energy(problem.costs, expected), atol=1e-4, rtol=1e-5)
    half = problem.with_costs(problem.costs.map(torch.Tensor.half))  # not compiled
    torch.testing.assert_close(
        outcome(half, columns, found.converged, proven=False).energy.to(found.energy), found.energy, atol=0.1, rtol=0.01
    )


@given(problems())
def test_shuffled_problem_restored(problem):
    again, rows, columns = shuffled(problem, seed=3)
    n, m = problem.costs.vertex.shape[1:]
    if n > m:
        return
    chosen = torch.arange(n).expand(len(rows), n)
    converged = torch.ones(len(rows), dtype=torch.bool)
    there = outcome(again, chosen, converged, False).energy
    here = outcome(problem, restored(chosen, rows, columns), converged, False).energy
    torch.testing.assert_close(there, here)
