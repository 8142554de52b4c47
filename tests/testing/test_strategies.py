import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.testing.oracles import least_energy
from gmssl.testing.strategies import knn_problem, problems, relabelled, some_matching


@given(problems(max_n=4))
def test_problems_have_a_matching(problem):
    for graph in range(problem.costs.vertex.shape[0]):
        assert least_energy(problem, graph) is not None


@given(problems(rectangular=False, masks=False, edges=False, ties=False, dtypes=(torch.float64,)))
def test_what_is_switched_off_is_not_drawn(problem):
    assert problem.costs.vertex.shape[1] == problem.costs.vertex.shape[2]
    assert problem.costs.edge.numel() == 0
    assert problem.topology.allowed.all()
    assert problem.costs.vertex.dtype == torch.float64
    assert problem.costs.vertex.unique().numel() == problem.costs.vertex.numel()


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
def test_some_matching_is_one(graphs, n, m):
    matching = some_matching(graphs, n, m, torch.Generator().manual_seed(0))
    assert matching.shape == (graphs, n, m)
    assert (matching.sum(1) <= 1).all()
    assert (matching.sum(2) <= 1).all()
    assert (matching.sum((1, 2)) == min(n, m)).all()


@given(problems(max_graphs=1, max_n=4), st.data())
def test_relabelling_keeps_the_least_energy(problem, data):
    n, m = problem.costs.vertex.shape[1:]
    rows, columns = (torch.tensor(data.draw(st.permutations(range(size)))) for size in (n, m))
    assert abs(least_energy(relabelled(problem, rows, columns), 0) - least_energy(problem, 0)) < 1e-4


def test_knn_problem_has_knn_edges():
    problem = knn_problem(2, 9, neighbours=4)
    assert problem.costs.edge.shape == (2, 36, 36)
    for edges in (*problem.topology.left, *problem.topology.right):
        assert (edges[:, 0] != edges[:, 1]).all()
        assert torch.equal(edges[:, 0].bincount(minlength=9), torch.full((9,), 4))
        assert len({tuple(e) for e in edges.tolist()}) == 36
