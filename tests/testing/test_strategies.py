import pytest
import torch
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from gmssl.testing.oracles import least_energy
from gmssl.testing.strategies import edge_lists, partial_problems, problems, some_matching

SEARCH = settings(max_examples=2000, database=None, phases=[Phase.generate])  # that there is one; none need be simple


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


@pytest.mark.parametrize(
    "what",
    [
        lambda e: e.shape[1] == 0,
        lambda e: len(e[0].unique(dim=0)) < len(e[0]),
        lambda e: bool((e[0, :, 0] == e[0, :, 1]).any()),
        lambda e: bool((e[0, :1] == e[0, 1:].flip(1)).all(1).any()) and bool(e[0, 0, 0] != e[0, 0, 1]),
    ],
    ids=["none", "duplicate", "self-loop", "reversed"],
)
@pytest.mark.parametrize("vertices", [2, 40])  # of 40 vertices no two edges agree by chance
def test_edge_lists_draw(what, vertices):
    find(edge_lists(1, vertices), what, settings=SEARCH)


@pytest.mark.parametrize(
    "what",
    [
        lambda p: p.costs.vertex.shape == (3, 1, 1),
        lambda p: p.costs.vertex.shape[1] < p.costs.vertex.shape[2],
        lambda p: p.costs.vertex.shape[1] > p.costs.vertex.shape[2],
        lambda p: not p.topology.allowed.all(),
        lambda p: p.costs.edge.shape[1] == 0 < p.costs.edge.shape[2],
        lambda p: p.costs.vertex[0].numel() > 9 and bool((p.costs.vertex[0] == p.costs.vertex[0, 0, 0]).all()),
        lambda p: p.costs.vertex.abs().max() > 1e29,
        lambda p: 0 < p.costs.vertex.abs().max() < 1e-29,
        lambda p: p.costs.vertex.abs().max() > 1e199,
        lambda p: 0 < p.costs.vertex.abs().max() < 1e-199,
    ],
    ids=["n = 1, G = 3", "wide", "tall", "mask", "E = 0", "equal", "1e30", "1e-30", "1e200", "1e-200"],
)
def test_problems_draw(what):
    find(problems(extreme=True), what, settings=SEARCH)


@given(problems(extreme=True), st.data())
def test_extreme_energies_are_finite(problem, data):
    total = problem.costs.map(torch.abs)
    assert torch.isfinite(total.vertex.sum((1, 2)) + total.edge.sum((1, 2))).all()


@given(partial_problems(max_n=3))
def test_partial_problems_are_partial(problem):
    assert problem.topology.partial
    assert all(least_energy(problem, graph) <= 0 for graph in range(len(problem.costs.vertex)))


def test_partial_problems_have_vertices_without_partner():
    lonely = lambda p: not p.topology.allowed.any(2).all() and not p.topology.allowed.any(1).all()  # noqa: E731
    find(partial_problems(), lonely, settings=SEARCH)
