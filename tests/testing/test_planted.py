"""What was planted is optimal."""

import pytest
import torch
from hypothesis import find, given, settings

import gmssl
from gmssl.testing.oracles import least_energy
from gmssl.testing.planted import planted_problems


@pytest.mark.parametrize(("vertices", "edges"), [(True, True), (True, False), (False, True)])
def test_what_is_planted_has_the_least_energy(vertices, edges):
    @given(planted_problems(max_n=5, vertices=vertices, edges=edges))
    def law(planted):
        problem = planted.problem
        solution = gmssl.certify(problem, problem.target, gmssl.part("solver", "exhaustive"))
        torch.testing.assert_close(solution.energy.double(), planted.energy)
        for graph, energy in enumerate(planted.energy.tolist()):
            assert abs(least_energy(problem, graph) - energy) < 1e-5

    law()


@given(planted_problems(identity=True))
def test_the_identity_may_be_planted(planted):
    assert planted.problem.target.diagonal(dim1=1, dim2=2).all()


def test_edges_tell_the_matching_and_nothing_else_does():
    quiet = lambda p: not p.problem.costs.vertex.any() and (p.energy < -8).all()  # noqa: E731
    find(planted_problems(vertices=False), quiet, settings=settings(database=None))
