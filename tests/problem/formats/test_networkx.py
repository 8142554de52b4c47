from __future__ import annotations

import json
import re
from itertools import permutations

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError
from gmssl.problem.formats import from_networkx, matched_nodes, stored_edge_cost, stored_vertex_cost, to_networkx
from gmssl.testing.oracles import energy_of, matchings
from gmssl.testing.strategies import problems

KINDS = [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]


@st.composite
def graphs(draw, kind):
    """A small graph with nodes that are no numbers, weights, self-loops, and parallel edges where they can be."""
    graph = kind()
    nodes = draw(st.permutations([f"{kind.__name__}{k}" for k in range(draw(st.integers(1, 4)))]))
    graph.add_nodes_from((node, {"w": draw(st.integers(-3, 3))}) for node in nodes)
    for tail, head in draw(st.lists(st.tuples(st.sampled_from(nodes), st.sampled_from(nodes)), max_size=7)):
        graph.add_edge(tail, head, w=draw(st.integers(-3, 3)))
    return graph


def vertex_cost(u, here, v, there):
    return None if (here["w"], there["w"]) == (3, 3) else float(here["w"] * there["w"] + 1)


def edge_cost(e, here, f, there):
    return float(here["w"] * there["w"] + 2)


def energy(left, right, partner) -> float | None:
    """The meaning of matching two graphs, by names; None where a pair is forbidden."""
    costs = [vertex_cost(u, left.nodes[u], v, right.nodes[v]) for u, v in partner.items()]
    if None in costs:
        return None
    total = sum(costs)
    directed = left.is_directed() and right.is_directed()
    for i, j, here in left.edges(data=True):
        for s, t, there in right.edges(data=True):
            ends = (partner.get(i), partner.get(j))
            if ends == (s, t) or (not directed and ends == (t, s)):
                total += edge_cost((i, j), here, (s, t), there)  # once, whichever way round
    return total


@given(st.data(), st.sampled_from(KINDS), st.sampled_from(KINDS), st.booleans())
def test_every_matching_costs_what_its_nodes_and_edges_cost(data, one, other, partial):
    left, right = data.draw(graphs(one)), data.draw(graphs(other))
    problem = from_networkx(left, right, vertex_cost, edge_cost, partial=partial)
    rows, columns = list(left), list(right)
    legal = set(matchings(problem, 0))
    for chosen in legal:
        partner = {rows[i]: columns[s] for i, s in enumerate(chosen) if s >= 0}
        assert energy_of(problem, 0, chosen) == energy(left, right, partner)
    if len(rows) <= len(columns):
        for chosen in permutations(range(len(columns)), len(rows)):
            partner = {rows[i]: columns[s] for i, s in enumerate(chosen)}
            assert (chosen in legal) == (energy(left, right, partner) is not None)


@given(problems(max_n=4), st.booleans())
def test_round_trip_keeps_energies(same_energies, problem, partial):
    problem = problem.partially() if partial else problem
    for g in range(len(problem.costs.vertex)):
        left, right = to_networkx(problem, g)
        back = from_networkx(left, right, stored_vertex_cost, stored_edge_cost, partial, problem.costs.vertex.dtype)
        same_energies(problem, g, back)
        assert back.costs.vertex.dtype == problem.costs.vertex.dtype


def through_json(graph):
    """A graph that was written and read as JSON, whose objects have only texts as keys."""
    return nx.node_link_graph(json.loads(json.dumps(nx.node_link_data(graph, edges="edges"))), edges="edges")


def renamed(graph):
    return nx.relabel_nodes(graph, {node: f"node {node}" for node in graph})


def exchanged(graph):
    """The same nodes in the same order under each other's names."""
    return nx.relabel_nodes(graph, dict(zip(graph, reversed(list(graph)), strict=True)))


@pytest.mark.parametrize("change", [through_json, renamed, exchanged, lambda graph: renamed(through_json(graph))])
@given(problem=problems(max_n=3))
@settings(max_examples=15)
def test_stored_costs_outlast_json_and_other_names(same_energies, change, problem):
    for g in range(len(problem.costs.vertex)):
        left, right = map(change, to_networkx(problem, g))
        back = from_networkx(left, right, stored_vertex_cost, stored_edge_cost, dtype=problem.costs.vertex.dtype)
        same_energies(problem, g, back)


def stored():
    edge = torch.tensor([[[0, 1]]])
    costs = torch.tensor([[[-10.0, 0.0], [0.0, -10.0]]])
    return to_networkx(gmssl.Problem.build(costs, edge, edge, torch.full((1, 1, 1), -3.0)))


@pytest.mark.parametrize(
    ("lose", "message"),
    [
        (lambda left, right: left.add_node("new"), "left node 'new' has no attribute 'costs'"),
        (lambda left, right: right.add_node("new"), "right node 'new' has no attribute 'number'"),
        (lambda left, right: left.add_edge(1, 0), "left edge (1, 0) has no attribute 'costs'"),
        (lambda left, right: right.add_edge("b", 0), "right edge ('b', 0) has no attribute 'number'"),
        (
            lambda left, right: right.nodes["b"].pop("number"),
            "right node 'b' has no attribute 'number'; it has 'colour'.",
        ),
    ],
)
def test_what_lost_its_stored_costs_is_refused_by_name(lose, message):
    left, right = stored()
    right = nx.relabel_nodes(right, {1: "b"})
    right.nodes["b"]["colour"] = "red"
    lose(left, right)
    with pytest.raises(ProblemError, match=re.escape(message)):
        from_networkx(left, right, stored_vertex_cost, stored_edge_cost)


def test_an_edge_is_shown_as_it_is_matched():
    """A cost that depends on direction sees the left edge and its image, so positions may enter it."""
    left, right = nx.Graph([("a", "b")]), nx.Graph([(0, 1)])
    place = {"a": 0.0, "b": 2.0, 0: 5.0, 1: 8.0}

    def turn(e, here, f, there):
        return (place[e[1]] - place[e[0]]) * (place[f[1]] - place[f[0]])

    problem = from_networkx(left, right, lambda *_: 0.0, turn)
    assert energy_of(problem, 0, (0, 1)) == 6.0
    assert energy_of(problem, 0, (1, 0)) == -6.0


def test_a_triangle_finds_its_weights():
    """Undirected graphs, end to end: the solver recovers a renaming of nodes from edge weights alone."""
    left = nx.Graph()
    left.add_weighted_edges_from([("a", "b", 1.0), ("b", "c", 2.0), ("c", "a", 4.0)])
    right = nx.relabel_nodes(left, {"a": "z", "b": "x", "c": "y"})

    def difference(e, here, f, there):
        return abs(here["weight"] - there["weight"]) - 10

    problem = from_networkx(left, right, lambda *_: 0.0, difference)
    solution = gmssl.solve(problem, gmssl.part("solver", "exhaustive"))
    assert solution.energy.tolist() == [-30.0]
    assert matched_nodes(left, right, solution.matching.vertex[0]) == {"a": "z", "b": "x", "c": "y"}


def test_without_edge_cost_there_are_no_edges():
    problem = from_networkx(nx.path_graph(3), nx.path_graph(2), lambda u, a, v, b: u - v, dtype=torch.float32)
    assert problem.costs.edge.shape == (1, 0, 0)
    assert problem.costs.vertex.tolist() == [[[0, -1], [1, 0], [2, 1]]]
    assert problem.costs.vertex.dtype == torch.float32


def test_unmatched_nodes_are_left_out():
    matching = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    assert matched_nodes(nx.path_graph(3), nx.Graph([("s", "t")]), matching) == {0: "t", 2: "s"}


@pytest.mark.parametrize("matching", [[[1.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [1.0, 0.0]]])
def test_what_is_no_matching_is_refused(matching):
    with pytest.raises(ProblemError, match="is no matching of 2 and 2 nodes"):
        matched_nodes(nx.path_graph(2), nx.path_graph(2), torch.tensor(matching))


@pytest.mark.parametrize(
    ("vertex", "edge", "message"),
    [
        (0.0, None, "only vertex_cost may forbid"),
        (0.0, "dear", "edge_cost returned 'dear'"),
        ([1], 0.0, "vertex_cost returned"),
        (float("nan"), 0.0, "vertex costs of instance 0 are not finite"),
        (0.0, float("inf"), "edge costs of instance 0 are not finite"),
    ],
)
def test_costs_that_are_no_numbers(vertex, edge, message):
    with pytest.raises(ProblemError, match=message):
        from_networkx(nx.path_graph(2), nx.path_graph(2), lambda *_: vertex, lambda *_: edge)


def test_an_empty_graph_is_refused():
    with pytest.raises(ProblemError, match="at least one vertex"):
        from_networkx(nx.Graph(), nx.path_graph(2), lambda *_: 0.0)
