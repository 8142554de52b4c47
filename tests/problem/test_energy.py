import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.problem import Pairs, lift, vertex_matching
from gmssl.testing.oracles import energy_of, lifted, matchings
from gmssl.testing.strategies import problems


@given(problems(masks=False), st.integers(0, 10**6))
def test_lift_is_the_product_of_both_ends(problem, seed):
    relaxed = torch.rand(problem.costs.vertex.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    edge = lift(relaxed, problem.topology).edge
    for g, matched in enumerate(relaxed.tolist()):
        expected = torch.tensor(lifted(problem, g, matched), dtype=torch.double).reshape(edge.shape[1:])
        torch.testing.assert_close(edge[g], expected)


@given(problems(max_graphs=1, max_n=4))
def test_energy_of_every_matching(problem):
    m = problem.costs.vertex.shape[2]
    for columns in matchings(problem, 0):
        vertex = vertex_matching(torch.tensor([columns]), m, problem.costs.vertex.dtype)
        energy = gmssl.energy(problem.costs, lift(vertex, problem.topology))
        assert abs(energy.item() - energy_of(problem, 0, columns)) < 1e-4


@given(problems(masks=False))
def test_energy_is_bilinear(problem):
    costs = problem.costs.map(torch.Tensor.double)
    one, other = (costs.map(lambda x: torch.rand_like(x)) for _ in range(2))
    energy = gmssl.energy(costs, one + other.scale(3.0))
    torch.testing.assert_close(energy, gmssl.energy(costs, one) + 3 * gmssl.energy(costs, other))


@given(problems(masks=False))
def test_lift_of_a_matching_matches_edges_one_to_one(problem):
    graphs, n, m = problem.costs.vertex.shape
    columns = torch.rand(graphs, max(n, m)).argsort(1)[:, :n]
    lifted_edges = lift(vertex_matching(columns, m, torch.double), problem.topology).edge
    tails = problem.topology.left
    assert ((lifted_edges == 0) | (lifted_edges == 1)).all()
    # An edge with an unmatched end is unmatched.
    unmatched = (columns >= m).gather(1, tails.flatten(1)).view_as(tails).any(2)
    assert (lifted_edges[unmatched] == 0).all()


def test_vertex_matching_leaves_out_what_is_outside():
    matching = vertex_matching(torch.tensor([[2, -1, 0, 3]]), 3, torch.float64)
    expected = torch.tensor([[[0, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]]], dtype=torch.float64)
    assert torch.equal(matching, expected)


def test_energy_is_differentiable_in_costs_and_matching():
    costs = Pairs(torch.randn(1, 2, 2, requires_grad=True), torch.randn(1, 1, 1, requires_grad=True))
    matching = Pairs(torch.rand(1, 2, 2, requires_grad=True), torch.rand(1, 1, 1, requires_grad=True))
    gmssl.energy(costs, matching).sum().backward()
    assert torch.equal(costs.vertex.grad, matching.vertex)
    assert torch.equal(matching.edge.grad, costs.edge)


@given(st.integers(0, 2**31), st.permutations(range(4)))
def test_energy_agrees_with_pygmtools(seed, columns):
    """An independent library's Lawler QAP: its affinity matrix of our costs, its score of our matching."""
    pygmtools = pytest.importorskip("pygmtools")
    generator = torch.Generator().manual_seed(seed)
    # Distinct edges: pygmtools writes a pair of edges into one cell of its matrix, so a repeated edge would be lost.
    left, right = (distinct_edges(vertices, 5, generator) for vertices in (3, 4))
    vertex, edge = torch.randn(1, 3, 4, generator=generator), torch.randn(1, 5, 5, generator=generator)
    affinity = pygmtools.utils.build_aff_mat(
        torch.zeros(1, 3, 1), torch.zeros(1, 5, 1), left, torch.zeros(1, 4, 1), torch.zeros(1, 5, 1), right,
        n1=torch.tensor([3]), n2=torch.tensor([4]), node_aff_fn=lambda *_: vertex, edge_aff_fn=lambda *_: edge,
        backend="pytorch",
    )  # fmt: skip
    matching = vertex_matching(torch.tensor([columns[:3]]), 4, torch.float32)
    expected = pygmtools.utils.compute_affinity_score(matching.contiguous(), affinity.contiguous(), backend="pytorch")
    topology = gmssl.Topology(left, right, matching >= 0)
    torch.testing.assert_close(gmssl.energy(Pairs(vertex, edge), lift(matching, topology)), expected)


def distinct_edges(vertices: int, count: int, generator: torch.Generator) -> torch.Tensor:
    every = torch.cartesian_prod(torch.arange(vertices), torch.arange(vertices))
    every = every[every[:, 0] != every[:, 1]]
    return every[torch.randperm(len(every), generator=generator)[:count]][None]
