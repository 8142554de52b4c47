from math import perm

import pytest
import torch

import gmssl
from gmssl.errors import ProblemError
from gmssl.parts.solvers.exact.exhaustive import _injections
from gmssl.testing.oracles import matchings
from gmssl.testing.strategies import knn_problem


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (2, 5), (5, 2), (4, 3)])
def test_enumerates_every_matching_once(n, m):
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    problem = gmssl.Problem.build(torch.zeros(1, n, m), none, none, torch.zeros(1, 0, 0))
    found = [tuple(row) for row in _injections(n, m, False, torch.device("cpu")).tolist()]
    assert len(found) == perm(max(n, m), min(n, m))
    assert set(found) == set(matchings(problem, 0))


def test_chunks_give_the_same(monkeypatch):
    problem = knn_problem(5, 6, neighbours=3)
    solver = gmssl.part("solver", "exhaustive")
    whole = gmssl.solve(problem, solver)
    monkeypatch.setattr("gmssl.parts.solvers.exact.exhaustive.CHUNK", 1000)
    assert torch.equal(whole.matching.vertex, gmssl.solve(problem, solver).matching.vertex)


def test_too_large_is_refused_with_the_remedy():
    with pytest.raises(ProblemError, match=r"9×9 vertices have 362880 matchings.*use robust_tabu"):
        gmssl.solve(knn_problem(1, 9), gmssl.part("solver", "exhaustive"))
