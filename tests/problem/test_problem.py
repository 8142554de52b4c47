from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gmssl
from gmssl.errors import ProblemError
from gmssl.problem import Problem
from gmssl.testing.oracles import energy_of, matchings
from gmssl.testing.strategies import problems


def pieces() -> dict[str, torch.Tensor | None]:
    """A valid problem: G = 2, n = 3, m = 4, E = 2, F = 5."""
    random = torch.Generator().manual_seed(0)
    return {
        "vertex": torch.randn(2, 3, 4, generator=random),
        "left_edges": torch.randint(0, 3, (2, 2, 2), generator=random),
        "right_edges": torch.randint(0, 4, (2, 5, 2), generator=random),
        "edge": torch.randn(2, 2, 5, generator=random),
        "allowed": torch.ones(2, 3, 4, dtype=torch.bool),
        "target": torch.eye(3, 4).expand(2, 3, 4),
    }


def build(**changed: object) -> Problem:
    return Problem.build(**{**pieces(), **changed})


def with_value(name: str, place: tuple[int, ...], value: float) -> torch.Tensor:
    tensor = pieces()[name].clone()
    tensor[place] = value
    return tensor


def test_valid_problem_keeps_its_tensors():
    given_pieces = pieces()
    problem = Problem.build(**given_pieces)
    assert problem.costs.vertex is given_pieces["vertex"]
    assert problem.topology.right is given_pieces["right_edges"]
    assert problem.target is given_pieces["target"]


def test_allowed_defaults_to_everything():
    assert build(allowed=None).topology.allowed.all()


WRONG = {
    "vertex is no tensor": ({"vertex": [[0.0]]}, "vertex is a list"),
    "no batch": ({"vertex": torch.zeros(3, 4), "allowed": None}, r"vertex has shape \[3,4\].*batch first"),
    "no right vertices": ({"vertex": torch.zeros(2, 3, 0)}, "each side needs at least one vertex"),
    "no vertices": ({"vertex": torch.zeros(2, 0, 4)}, "each side needs at least one vertex"),
    "edge shape": ({"edge": torch.zeros(2, 5, 2)}, r"edge has shape \[2,5,2\].*ask for \[2,2,5\]"),
    "edges without ends": ({"left_edges": torch.zeros(2, 2, 3).long()}, r"left_edges has shape \[2,2,3\]"),
    "allowed shape": ({"allowed": torch.ones(2, 4, 3).bool()}, r"allowed has shape \[2,4,3\]"),
    "target shape": ({"target": torch.zeros(1, 3, 4)}, r"target has shape \[1,3,4\]"),
    "integer costs": ({"vertex": torch.zeros(2, 3, 4).long()}, "floating point"),
    "two dtypes": ({"edge": torch.zeros(2, 2, 5).double()}, "one floating point dtype for both"),
    "int32 edges": ({"right_edges": torch.zeros(2, 5, 2).int()}, r"right_edges has dtype torch.int32.*\.long\(\)"),
    "float mask": ({"allowed": torch.ones(2, 3, 4)}, "pass a bool mask"),
    "another device": ({"edge": torch.zeros(2, 2, 5, device="meta")}, "edge is on meta, vertex on cpu"),
    "index too large": ({"left_edges": with_value("left_edges", (1, 0), 3)}, r"left_edges of instance 1 .* row 0"),
    "negative index": ({"right_edges": with_value("right_edges", (0, 4), -1)}, r"right_edges of instance 0 .* row 4"),
    "NaN vertex": ({"vertex": with_value("vertex", (1, 2, 3), float("nan"))}, r"vertex costs of instance 1 .*\[2,3\]"),
    "inf edge": ({"edge": with_value("edge", (1, 0, 4), float("inf"))}, r"edge costs of instance 1 .*inf at \[0,4\]"),
    "-inf edge": (
        {"edge": with_value("edge", (0, 1, 0), -float("inf"))},
        r"edge costs of instance 0 .*-inf at \[1,0\]",
    ),
    "negative target": ({"target": torch.full((2, 3, 4), -0.25)}, "target is not a matching"),
    "more than one in a row": ({"target": torch.full((2, 3, 4), 0.3)}, "target is not a matching"),
    "NaN in the target": ({"target": torch.full((2, 3, 4), float("nan"))}, "target is not a matching"),
    "two in a row": ({"target": with_value("target", (0, 0, 1), 1)}, "target is not a matching"),
    "forbidden target": ({"allowed": ~torch.eye(3, 4).bool().expand(2, 3, 4)}, "target matches a pair"),
}


@pytest.mark.parametrize(("changed", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_input_is_named_with_its_remedy(changed, message):
    with pytest.raises(ProblemError, match=message) as caught:
        build(**changed)
    assert str(caught.value).endswith(".")


@given(problems(), st.floats(allow_nan=False, allow_infinity=False, width=16))
def test_with_costs_changes_costs_only(problem, factor):
    other = problem.with_costs(problem.costs.scale(factor))
    assert other.topology is problem.topology
    assert torch.equal(other.costs.vertex, problem.costs.vertex * factor)


@given(problems(), st.integers(1, 3))
def test_repeat_is_sample_major(problem, samples):
    graphs = problem.costs.vertex.shape[0]
    repeated = problem.repeat(samples)
    for sample in range(samples):
        again = repeated.select(torch.arange(sample * graphs, (sample + 1) * graphs))
        assert torch.equal(again.costs.edge, problem.costs.edge)
        assert torch.equal(again.topology.left, problem.topology.left)
        assert torch.equal(again.topology.allowed, problem.topology.allowed)


def test_select_and_repeat_carry_the_target():
    problem = build(target=torch.stack([torch.eye(3, 4), torch.eye(3, 4).roll(1, 1)]))
    assert torch.equal(problem.repeat(2).target[2:], problem.target)
    assert torch.equal(problem.select(torch.tensor([False, True])).target[0], problem.target[1])


def test_detach_cuts_the_graph():
    vertex = pieces()["vertex"].requires_grad_()
    assert not build(vertex=vertex).detach().costs.vertex.requires_grad


def test_solve_names_a_vertex_without_partner():
    allowed = torch.ones(2, 3, 4, dtype=torch.bool)
    allowed[1, 2] = False
    problem = build(allowed=allowed, target=None)
    with pytest.raises(ProblemError, match="instance 1 allows no partner for left vertex 2"):
        gmssl.solve(problem, gmssl.part("solver", "exhaustive"))


@given(problems(max_n=3), st.sampled_from([0.0, 0.7, -1.5]))
def test_partial_problems_against_enumeration(problem, unmatched):
    """Every one-to-one matching of any size, the empty one included, each missing pair at the cost `unmatched`."""
    n, m = problem.costs.vertex.shape[1:]
    partial = problem.partially(unmatched)
    solution = gmssl.solve(partial, gmssl.part("solver", "exhaustive"))
    for graph in range(len(solution.energy)):
        totals = [
            energy_of(problem, graph, columns) + unmatched * (min(n, m) - sum(s >= 0 for s in columns))
            for columns in matchings(partial, graph)
        ]
        assert abs(min(totals) - unmatched * min(n, m) - solution.energy[graph].item()) < 1e-4
    torch.testing.assert_close(gmssl.energy(partial.costs, solution.matching), solution.energy, atol=1e-4, rtol=1e-4)
    assert (solution.matching.vertex <= problem.topology.allowed).all()


def test_an_empty_batch_has_an_empty_solution():
    none = torch.zeros(0, 0, 2, dtype=torch.long)
    problem = gmssl.Problem.build(torch.zeros(0, 3, 4), none, none, torch.zeros(0, 0, 0))
    solution = gmssl.solve(problem, gmssl.part("solver", "lap"))
    assert solution.matching.vertex.shape == (0, 3, 4)
    assert solution.energy.shape == solution.bound.shape == solution.converged.shape == solution.gap.shape == (0,)


def test_certify_refuses_what_is_no_matching():
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    problem = gmssl.Problem.build(torch.rand(1, 3, 3), none, none, torch.zeros(1, 0, 0))
    lap = gmssl.part("solver", "lap")
    found = gmssl.solve(problem, lap)
    certified = gmssl.certify(problem, found.matching.vertex, lap)
    assert certified.converged.all()
    assert certified.gap.item() <= torch.finfo(torch.float32).eps, "the bound is rounded down"
    worse = gmssl.certify(problem, found.matching.vertex.roll(1, 2), lap)
    assert worse.gap.item() > 0
    with pytest.raises(ProblemError, match="instance 0 of matching does not fit this problem"):
        gmssl.certify(problem, torch.zeros(1, 3, 3), lap)
    gmssl.certify(problem.partially(), torch.zeros(1, 3, 3), lap)
    with pytest.raises(ProblemError, match="gives no bound"):
        gmssl.certify(problem, found.matching.vertex, gmssl.part("solver", "robust_tabu"))
