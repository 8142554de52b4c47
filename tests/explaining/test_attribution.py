"""Attribution sums to the energy difference, exactly, for each term, and lays nothing on nodes that are right."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.explaining.attribution import edge_shares, vertex_shares
from gmssl.problem import Pairs, Topology, energy, lift, vertex_matching


@st.composite
def matched_problems(draw: st.DrawFn) -> tuple[list[Pairs], Topology, torch.Tensor, torch.Tensor]:
    """Terms of costs, edges (loops and copies among them), a matching and the true one; n and m may differ."""
    graphs, n, m = (draw(st.integers(low, high)) for low, high in ((1, 3), (1, 6), (1, 6)))
    left, right = (draw(st.integers(0, 9)) for _ in range(2))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def costs(*shape: int) -> torch.Tensor:
        return torch.randn(graphs, *shape, generator=generator, dtype=torch.float64)

    terms = [Pairs(costs(n, m), costs(left, right)) for _ in range(draw(st.integers(1, 3)))]
    edges = [torch.randint(0, size, (graphs, count, 2), generator=generator) for size, count in ((n, left), (m, right))]
    topology = Topology(edges[0], edges[1], torch.ones(graphs, n, m, dtype=torch.bool))
    chosen, truth = (_assignment(graphs, n, m, generator) for _ in range(2))
    if draw(st.booleans()):  # mostly right
        keep = torch.rand(graphs, n, generator=generator) < 0.7
        chosen = torch.where(keep, truth, chosen)  # not one to one any more: the identity holds all the same
    return terms, topology, chosen, truth


def _assignment(graphs: int, n: int, m: int, generator: torch.Generator) -> torch.Tensor:
    places = [torch.randperm(max(n, m), generator=generator)[:n] for _ in range(graphs)]
    columns = torch.stack(places)
    return torch.where(columns < m, columns, -1)


@given(matched_problems())
def test_shares_sum_to_the_energy_difference(given_: tuple[list[Pairs], Topology, torch.Tensor, torch.Tensor]) -> None:
    terms, topology, chosen, truth = given_
    m = topology.allowed.shape[2]
    matchings = [lift(vertex_matching(columns, m, torch.float64), topology) for columns in (chosen, truth)]
    total = torch.zeros(len(chosen), dtype=torch.float64)
    for term in terms:
        nothing = Pairs(term.vertex, term.edge * 0), Pairs(term.vertex * 0, term.edge)
        expected = [energy(costs, matchings[0]) - energy(costs, matchings[1]) for costs in nothing]
        vertex = vertex_shares(term.vertex, chosen, truth)
        edge = edge_shares(term.edge, topology, chosen, truth)
        torch.testing.assert_close(vertex.sum(1), expected[0])
        torch.testing.assert_close(edge.sum(1), expected[1])
        right = chosen == truth
        assert (vertex[right] == 0).all()
        assert (edge[right] == 0).all()
        total += vertex.sum(1) + edge.sum(1)
    costs = Pairs(sum(t.vertex for t in terms), sum(t.edge for t in terms))
    torch.testing.assert_close(total, energy(costs, matchings[0]) - energy(costs, matchings[1]))


@given(matched_problems())
def test_equal_the_definition_spelt_out(given_: tuple[list[Pairs], Topology, torch.Tensor, torch.Tensor]) -> None:
    (term, *_), topology, chosen, truth = given_
    found = edge_shares(term.edge, topology, chosen, truth)
    expected = torch.zeros_like(found)
    for g in range(len(chosen)):
        x, true = chosen[g].tolist(), truth[g].tolist()
        for e, (i, j) in enumerate(topology.left[g].tolist()):
            ends = {k for k in (i, j) if x[k] != true[k]}
            for f, (a, b) in enumerate(topology.right[g].tolist()):
                difference = int(x[i] == a and x[j] == b) - int(true[i] == a and true[j] == b)
                for end in ends:
                    expected[g, end] += difference * term.edge[g, e, f] / len(ends)
    torch.testing.assert_close(found, expected)


def test_an_edge_is_halved_between_two_wrong_ends_and_falls_on_one() -> None:
    edges = torch.tensor([[[0, 1], [1, 2]]])
    costs = torch.tensor([[[5.0, 0.0], [0.0, 7.0]]], dtype=torch.float64)
    topology = Topology(edges, edges, torch.ones(1, 3, 3, dtype=torch.bool))
    truth, swapped = torch.tensor([[0, 1, 2]]), torch.tensor([[1, 0, 2]])
    # Edge (0, 1) loses its partner, both ends wrong; so does (1, 2), where node 2 is right.
    assert edge_shares(costs, topology, swapped, truth).tolist() == [[-2.5, -2.5 - 7.0, 0.0]]
