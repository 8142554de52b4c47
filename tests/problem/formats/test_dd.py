from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.errors import FormatError, ProblemError
from gmssl.problem.formats import Instance, read_dd, write_dd
from gmssl.testing.oracles import energy_of, matchings
from gmssl.testing.strategies import problems

DATA = Path("/work/shared/data/dd")
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="no data here")

SMALL = """c two graphs, an edge that is repeated, one between two assignments of a vertex
p 2 3 4 4
i0 0 1.5 2.5
n1 0 1

a 0 0 0 -1.5
a 7 0 2 0.25
a 2 1 1 1e-3
a 3 1 2 4
e 0 2 -3
c between
e 2 0 -0.5
e 3 7 100
e 0 3 0.125
"""


def from_text(text: str, folder: Path) -> list[Instance]:
    path = folder / "small.dd"
    path.write_text(text, encoding="utf-8")
    return read_dd(path)


def test_energies_are_sums_of_lines(tmp_path):
    (instance,) = from_text(SMALL, tmp_path)
    assert instance.name == "small"
    assert instance.problem.topology.partial
    assert instance.problem.topology.left.tolist() == [[[0, 1]]]
    assert instance.problem.topology.right.tolist() == [[[0, 1], [0, 2]]], "edges that never apply are dropped"
    cost = {0: -1.5, 7: 0.25, 2: 1e-3, 3: 4.0}
    ends = {0: (0, 0), 7: (0, 2), 2: (1, 1), 3: (1, 2)}
    pairs = [(0, 2, -3.0), (2, 0, -0.5), (3, 7, 100.0), (0, 3, 0.125)]
    expected = {}
    for one, other in product([None, 0, 7], [None, 2, 3]):  # what vertices 0 and 1 are assigned
        chosen = [a for a in (one, other) if a is not None]
        if (one, other) == (7, 3):
            continue  # both have right vertex 2
        columns = tuple(-1 if a is None else ends[a][1] for a in (one, other))
        expected[columns] = sum(cost[a] for a in chosen)
        expected[columns] += sum(c for a, b, c in pairs if a in chosen and b in chosen)
    found = {columns: energy_of(instance.problem, 0, columns) for columns in matchings(instance.problem, 0)}
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25)
@given(problems(max_n=3), st.booleans())
def test_round_trip_keeps_energies(tmp_path_factory, same_energies, problem, named):
    path = tmp_path_factory.mktemp("dd") / "some.dd"
    problem = problem.partially(0.5)
    parts = [problem.select(torch.tensor([g])) for g in range(len(problem.costs.vertex))]
    write_dd(path, [Instance(f"x {g}-{g + 5}" if named else "x", part) for g, part in enumerate(parts)])
    back = read_dd(path)
    assert len(back) == len(parts)
    if len(parts) > 1:
        pairs = [(g, g + 5) if named else (2 * g, 2 * g + 1) for g in range(len(parts))]
        assert [i.name for i in back] == [f"some {i}-{j}" for i, j in pairs]
    for g, instance in enumerate(back):
        same_energies(problem, g, instance.problem)


@pytest.mark.parametrize("cost", [0.1, 1 / 3, -1e-300, 5e-324, 1.7976931348623157e308, 2.0**60, -7.0, 123456789.125])
def test_costs_keep_every_bit(tmp_path, cost):
    edge = torch.tensor([[[0, 1]]])
    vertex = torch.tensor([[[cost, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    problem = gmssl.Problem.build(vertex, edge, edge, torch.full((1, 1, 1), cost, dtype=torch.float64), partial=True)
    write_dd(tmp_path / "x.dd", [Instance("x", problem)])
    back = read_dd(tmp_path / "x.dd")[0].problem
    assert torch.equal(back.costs.vertex, vertex)
    assert torch.equal(back.costs.edge, problem.costs.edge)
    single = Instance("y", problem.with_costs(problem.costs.map(lambda x: x.clamp(-3e38, 3e38).float())))
    write_dd(tmp_path / "y.dd", [single])
    assert torch.equal(read_dd(tmp_path / "y.dd")[0].problem.costs.vertex.float(), single.problem.costs.vertex)


def test_matched_with_oneself_is_charged_with_the_assignment(tmp_path):
    (instance,) = from_text("p 1 1 1 1\na 5 0 0 2\ne 5 5 3\n", tmp_path)
    assert energy_of(instance.problem, 0, (0,)) == 5.0


def test_no_edges_and_no_assignments(tmp_path):
    (instance,) = from_text("p 2 2 0 0\n", tmp_path)
    assert list(matchings(instance.problem, 0)) == [(-1, -1)]
    assert instance.problem.costs.edge.shape == (1, 0, 0)


def test_windows_line_ends_and_strange_comments(tmp_path):
    path = tmp_path / "x.dd"
    path.write_bytes("c \x0b \u2028 über\r\np 1 1 1 0\r\n\ta  0 0\t0 1 \r\n".encode("latin-1", "replace"))
    assert read_dd(path)[0].problem.costs.vertex.tolist() == [[[1.0]]]


WRONG = [
    ("", "holds no instance|without an instance"),
    ("c only\n", "without an instance"),
    ("p 1 1 1\n", "line 1: expected `p n m A E` with whole numbers, not 'p 1 1 1'"),
    ("p 0 1 0 0\n", "line 1: 0 and 1 vertices"),
    ("p 1 1 2 0\na 0 0 0 1\n", "line 1: the header announces 2 `a` lines, 1 follow"),
    ("p 1 1 0 1\n", "line 1: the header announces 1 `e` lines, 0 follow"),
    ("a 0 0 0 1\n", "line 1: 'a 0 0 0 1' stands before the header"),
    ("p 1 1 1 0\na 0 0 0 1\nq 1\n", "line 3: unknown line 'q 1'"),
    ("p 1 1 1 0\na 0 0 0\n", "line 2: expected `a id i j cost` with whole numbers and a cost, not 'a 0 0 0'"),
    ("p 1 1 1 0\na 0 0 0 one\n", "line 2: expected `a id i j cost`"),
    ("p 1 1 1 0\na 0 0.5 0 1\n", "line 2: expected `a id i j cost`"),
    ("p 1 1 1 0\na 0 0 99999999999999999999 1\n", "line 2: expected `a id i j cost`"),
    ("p 1 1 1 0\na 0 0 0 nan\n", "line 2: 'a 0 0 0 nan' has no finite cost"),
    ("p 1 1 1 0\n\na 0 0 0 -inf\n", "line 3: 'a 0 0 0 -inf' has no finite cost"),
    ("p 1 2 1 0\na 0 0 2 1\n", "line 2: assignment of vertices 0 and 2; expected 0..0 and 0..1"),
    ("p 1 2 1 0\na 0 -1 0 1\n", "line 2: assignment of vertices -1 and 0"),
    ("p 1 2 2 0\na 0 0 0 1\na 0 0 1 1\n", "line 3: this id has an assignment already"),
    ("p 1 2 2 0\na 0 0 1 1\na 1 0 1 1\n", "line 3: this pair of vertices has an assignment already"),
    ("p 1 1 1 1\na 0 0 0 1\ne 0 1 1\n", "line 3: the edge names assignment 1;"),
    ("p 1 1 0 1\ne 0 1 1\n", "line 2: the edge names assignment 0;"),
    ("p 2 2 2 2\na 0 0 0 1\na 1 1 1 1\ne 0 1\ne 0 1 5 7\n", "line 4: expected `e a b cost`"),
    ("gm 0 1\ngm 0 2\np 1 1 0 0\n", "line 2: 'gm 0 2' after another `gm` line"),
    ("p 1 1 0 0\ngm 0 1\n", "ends after a `gm` line"),
    ("gm 0\np 1 1 0 0\n", "line 1: expected `gm i j`"),
    ("gm 0 1\na 0 0 0 1\np 1 1 0 0\n", "line 2: 'a 0 0 0 1' stands before the header"),
    ("p 1000000 1000000 0 0\n", "block at line 1: 1000000×1000000 vertex pairs are 1000000000000 numbers"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_malformed_files_are_told_by_line(tmp_path, text, message):
    with pytest.raises(FormatError, match=re.escape(message).replace(r"\|", "|")) as caught:
        from_text(text, tmp_path)
    assert str(tmp_path / "small.dd") in str(caught.value)


def test_what_the_format_cannot_hold_is_refused(tmp_path):
    none = torch.zeros(2, 0, 2, dtype=torch.long)
    batch = gmssl.Problem.build(torch.zeros(2, 2, 2), none, none, torch.zeros(2, 0, 0))
    with pytest.raises(ProblemError, match="holds 2 problems"):
        write_dd(tmp_path / "x.dd", [Instance("x", batch.partially())])
    with pytest.raises(ProblemError, match="matches the whole shorter side"):
        write_dd(tmp_path / "x.dd", [Instance("x", batch.select(torch.tensor([0])))])
    with pytest.raises(FormatError, match="cannot be written"):
        write_dd(tmp_path / "no" / "x.dd", [Instance("x", batch.partially().select(torch.tensor([0])))])
    assert list(tmp_path.iterdir()) == []


@real_data
def test_qap_000_reaches_its_best_known_energy():
    (instance,) = read_dd(DATA / "qap_000.dd")
    assert instance.problem.costs.vertex.shape == (1, 46, 46)
    solution = gmssl.solve(instance.problem, gmssl.part("solver", "robust_tabu", starts=32, iterations=100))
    assert solution.energy.item() == pytest.approx(-94.1772, abs=1e-4)


@real_data
def test_the_house_problems_are_read_and_written_exactly(tmp_path):
    instances = read_dd(next(DATA.glob("house*.txt")))
    pairs = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    assert [i.name.split()[1] for i in instances] == [f"{i}-{j}" for i, j in pairs]
    write_dd(tmp_path / "house.txt", instances)
    for one, other in zip(instances, read_dd(tmp_path / "house.txt"), strict=True):
        assert one.problem.costs.vertex.shape == (1, 10, 10)
        assert one.problem.costs.edge.ne(0).sum() == 4050
        assert torch.equal(one.problem.costs.vertex, other.problem.costs.vertex)
        assert torch.equal(one.problem.costs.edge, other.problem.costs.edge)
        assert torch.equal(one.problem.topology.left, other.problem.topology.left)
        assert torch.equal(one.problem.topology.right, other.problem.topology.right)
