"""Problems made of other problems."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.testing.generators import paired_embeddings
from gmssl.testing.oracles import least_assignment, least_energy
from gmssl.testing.strategies import partial_problems, problems
from gmssl.testing.variants import edgeless, identity_labelled, relabelled, scale_of, strided


@given(problems(max_graphs=2, max_n=4) | partial_problems(max_n=3), st.data())
def test_relabelling_keeps_the_least_energy(problem, data):
    n, m = problem.costs.vertex.shape[1:]
    rows, columns = (torch.tensor(data.draw(st.permutations(range(size)))) for size in (n, m))
    renamed = relabelled(problem, rows, columns)
    assert torch.equal(renamed.costs.vertex, problem.costs.vertex[:, rows][:, :, columns])
    assert renamed.topology.partial == problem.topology.partial
    for graph in range(len(problem.costs.vertex)):
        assert abs(least_energy(renamed, graph) - least_energy(problem, graph)) < 1e-4


def test_each_instance_may_have_its_own_names():
    problem = paired_embeddings(5, 6, noise=0.5)
    plain = identity_labelled(problem)
    assert torch.equal(plain.target, torch.eye(6).expand(5, 6, 6))
    assert not torch.equal(problem.target, plain.target)
    assert torch.equal(plain.costs.vertex.argmin(2), torch.arange(6).expand(5, 6))
    for graph in range(5):
        assert least_energy(plain, graph) == pytest.approx(least_energy(problem, graph), abs=1e-5)


def test_names_follow_a_target_only():
    with pytest.raises(ValueError, match="has no target"):
        identity_labelled(replace(paired_embeddings(1, 3, 0.5), target=None))


@given(problems(max_n=4))
def test_without_edges_an_assignment_is_left(problem):
    for graph in range(len(problem.costs.vertex)):
        assert abs(least_energy(edgeless(problem), graph) - least_assignment(problem, graph)) < 1e-4


@given(problems())
def test_strided_problems_are_equal(problem):
    other = strided(problem)
    assert torch.equal(other.costs.vertex, problem.costs.vertex)
    assert torch.equal(other.topology.left, problem.topology.left)
    if min(problem.costs.vertex.shape[1:]) > 1:
        assert not other.costs.vertex.is_contiguous()


@given(problems(extreme=True))
def test_the_scale_is_the_largest_cost(problem):
    for graph, scale in enumerate(scale_of(problem).tolist()):
        costs = (*problem.costs.vertex[graph].flatten().tolist(), *problem.costs.edge[graph].flatten().tolist())
        assert scale == max(map(abs, costs))
