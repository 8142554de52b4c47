import networkx as nx
import pytest
import torch
from hypothesis import given

import gmssl
from gmssl.errors import ProblemError
from gmssl.testing.strategies import problems

LAP = gmssl.part("solver", "lap")


def networkx_energy(problem: gmssl.Problem, instance: int) -> float:
    """Minimum weight full matching of the bipartite graph of allowed pairs."""
    costs, allowed = problem.costs.vertex[instance], problem.topology.allowed[instance]
    graph = nx.Graph()
    graph.add_nodes_from(("left", i) for i in range(costs.shape[0]))
    graph.add_nodes_from(("right", s) for s in range(costs.shape[1]))
    for i, s in allowed.nonzero().tolist():
        graph.add_edge(("left", i), ("right", s), weight=1e3 - costs[i, s].item())  # heavy: as many pairs as possible
    matching = nx.max_weight_matching(graph, maxcardinality=True)
    return sum(1e3 - graph.edges[pair]["weight"] for pair in matching)


@given(problems(max_n=9, edges=False))
def test_agrees_with_networkx(problem):
    solution = gmssl.solve(problem, LAP)
    expected = [networkx_energy(problem, g) for g in range(len(solution.energy))]
    torch.testing.assert_close(solution.energy.double(), torch.tensor(expected, dtype=torch.double), atol=1e-4, rtol=0)
    torch.testing.assert_close(solution.bound, solution.energy)
    assert (solution.bound <= solution.energy).all()
    assert solution.converged.all()


@pytest.mark.parametrize("kind", ["lap", "exhaustive", "robust_tabu"])
@pytest.mark.parametrize("turned", [False, True])
def test_impossible_mask_names_the_instance(kind, turned):
    # Rows 0 and 1 both need column 0: each vertex has a partner, but there is no matching.
    allowed = torch.ones(3, 3, 4, dtype=torch.bool)
    allowed[1, :2, 1:] = False
    allowed = allowed.transpose(1, 2) if turned else allowed
    none = torch.zeros(3, 0, 2, dtype=torch.long)
    problem = gmssl.Problem.build(torch.zeros(allowed.shape), none, none, torch.zeros(3, 0, 0), allowed=allowed)
    with pytest.raises(ProblemError, match=r"instance 1 permits no one-to-one matching .* \(1 of 3 instances\)"):
        gmssl.solve(problem, gmssl.part("solver", kind))


def test_edges_are_refused():
    edges = torch.tensor([[[0, 1]]])
    problem = gmssl.Problem.build(torch.zeros(1, 2, 2), edges, edges, torch.ones(1, 1, 1))
    with pytest.raises(ProblemError, match="does not read edge costs"):
        gmssl.solve(problem, LAP)
