from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import FormatError, ProblemError
from gmssl.problem import energy, lift, vertex_matching
from gmssl.problem.formats import read, read_dat, read_qaplib, read_sln, write_dat, write_sln

DATA = Path("/work/shared/data/qap")
INVERSE = {"nug30"}
"""Files whose permutation has its value only turned round; of all others it has it as it stands."""


def test_all_listed_files_are_there():
    if not DATA.is_dir():
        pytest.skip("no data here")
    assert len(list(DATA.glob("*.dat"))) == len(list(DATA.glob("*.sln"))) == 35


@pytest.mark.parametrize("path", sorted(DATA.glob("*.dat")), ids=lambda p: p.stem)
def test_listed_permutations_have_their_listed_values(path):
    instance = read_qaplib(path)
    value, permutation = read_sln(path.with_suffix(".sln"))
    assert instance.best_known == value
    problem, size = instance.problem, len(permutation)

    def value_of(columns: torch.Tensor) -> float:
        return energy(problem.costs, lift(vertex_matching(columns[None], size, torch.float64), problem.topology)).item()

    given = torch.tensor(permutation)
    exact = [value_of(given) == value, value_of(given.argsort()) == value]
    assert exact == ([False, True] if path.stem in INVERSE else [True, False])


@given(st.integers(1, 4), st.data())
def test_round_trip_keeps_every_bit(tmp_path_factory, n, data):
    path = tmp_path_factory.mktemp("qap") / "x.dat"
    numbers = st.one_of(st.integers(-9, 9).map(float), st.floats(allow_nan=False, allow_infinity=False))
    a, b = (np.array(data.draw(st.lists(numbers, min_size=n * n, max_size=n * n))).reshape(n, n) for _ in "ab")
    write_dat(path, a, b)
    one, other = read_dat(path)
    assert np.array_equal(one.numpy(), a)
    assert np.array_equal(other.numpy(), b)
    order = data.draw(st.permutations(range(n)))
    value = data.draw(numbers)
    write_sln(path.with_suffix(".sln"), value, order)
    assert read_sln(path.with_suffix(".sln")) == (value, list(order))


def test_integers_are_written_as_integers(tmp_path):
    write_dat(tmp_path / "x.dat", torch.tensor([[0, 1], [2, 3]]), torch.eye(2))
    assert (tmp_path / "x.dat").read_text() == "2\n\n0 1\n2 3\n\n1 0\n0 1\n"


def test_layout_is_free_and_commas_are_spaces(tmp_path):
    (tmp_path / "x.dat").write_text(" 2 \r\n0, 1\r\n2,3 1 0 0\n\n1 ")
    (tmp_path / "x.sln").write_text("  2   5.5\n 2,1,\n")
    instance = read_qaplib(tmp_path / "x.dat")
    assert (instance.name, instance.best_known) == ("x", 5.5)
    assert [matrix.tolist() for matrix in read_dat(tmp_path / "x.dat")] == [[[0, 1], [2, 3]], [[1, 0], [0, 1]]]
    assert read_sln(tmp_path / "x.sln") == (5.5, [1, 0])
    (tmp_path / "x.sln").unlink()
    assert read_qaplib(tmp_path / "x.dat").best_known is None


def test_comments_are_passed_over(tmp_path):
    (tmp_path / "x.dat").write_text("# 1 2 3\n2 # vertices\n\n#A\n0 1\n2 3\n  # B, é\n1 0 0 1#")
    (tmp_path / "x.sln").write_text("#optimal\n2 5.5 # proven\n2 1\n")
    (instance,) = read(tmp_path / "x.dat")
    assert instance.best_known == 5.5
    assert [matrix.tolist() for matrix in read_dat(tmp_path / "x.dat")] == [[[0, 1], [2, 3]], [[1, 0], [0, 1]]]
    assert read_sln(tmp_path / "x.sln") == (5.5, [1, 0])


def test_the_first_line_may_hold_the_best_known_value(tmp_path):
    """Taillard's files."""
    path = tmp_path / "tai2.dat"
    path.write_text("2 7.5\n\n0 1\n2 3\n\n1 0\n0 1\n")
    instance = read_qaplib(path)
    assert instance.best_known == 7.5
    assert [matrix.tolist() for matrix in read_dat(path)] == [[[0, 1], [2, 3]], [[1, 0], [0, 1]]]
    write_sln(path.with_suffix(".sln"), 5.5, [1, 0])
    assert read_qaplib(path).best_known == 5.5, "the file of the solution is newer than the problem"


def test_without_a_best_known_value_the_first_line_may_hold_the_first_cost(tmp_path):
    (tmp_path / "x.dat").write_text("2 7\n1 2 3\n\n1 0\n0 1\n")
    assert read_dat(tmp_path / "x.dat")[0].tolist() == [[7, 1], [2, 3]]
    assert read_qaplib(tmp_path / "x.dat").best_known is None


WRONG_DAT = [
    ("# only\n", "is empty"),
    ("# A\n1\n5 x # y\n", "line 3: expected numbers, not '5 x # y'"),
    ("2 9\n0 1\n1 0\n\n0 1\n1 0 1\n", "line 6: 10 numbers after n = 2"),
    ("2 9 9\n0 1\n1 0\n\n0 1\n1\n", "line 6: 9 numbers after n = 2"),
    ("", "is empty"),
    ("\n\n", "is empty"),
    ("two\n", "line 1: expected numbers, not 'two'"),
    ("1\n5 x\n", "line 2: expected numbers, not '5 x'"),
    ("1\n5\nnan\n", "line 3: expected numbers, not 'nan'"),
    ("1.5\n5 5\n", "line 1: 1.5 vertices"),
    ("0\n", "line 1: 0 vertices"),
    ("-3\n", "line 1: -3 vertices"),
    ("2\n0 1\n1 0\n\n0 1\n1\n", "line 6: 7 numbers after n = 2; expected A and B of 2×2 each, 8 numbers"),
    ("2\n0 1\n1 0\n0 1\n1 0\n7\n", "line 6: 9 numbers after n = 2"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_DAT)
def test_malformed_dat(tmp_path, text, message):
    path = tmp_path / "x.dat"
    path.write_text(text)
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read_qaplib(path)
    assert str(path) in str(caught.value)


WRONG_SLN = [
    ("", "is empty"),
    ("2\n", "line 1: 0 places of a permutation of 2"),
    ("2 5\n1\n", "line 2: 1 places of a permutation of 2"),
    ("2 5\n1 2\n1\n", "line 3: 3 places of a permutation of 2"),
    ("2 5\n1 3\n", "line 2: 3 in a permutation; expected each of 1..2 once"),
    ("2 5\n0 1\n", "line 2: 0 in a permutation"),
    ("2 5\n1\n1\n", "line 3: 1 in a permutation"),
    ("2 5\n1 1.5\n", "line 2: 1.5 in a permutation"),
    ("3 5\n1 2 3\n", "x.sln is of size 3, x.dat of size 2"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_SLN)
def test_malformed_sln_beside_a_sound_dat(tmp_path, text, message):
    write_dat(tmp_path / "x.dat", torch.eye(2), torch.eye(2))
    (tmp_path / "x.sln").write_text(text)
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read_qaplib(tmp_path / "x.dat")
    assert str(tmp_path / "x.sln") in str(caught.value)


def test_too_large_a_problem_is_refused_by_name(tmp_path):
    path = tmp_path / "x.dat"
    write_dat(path, torch.ones(150, 150), torch.ones(150, 150))
    with pytest.raises(FormatError, match=r"x\.dat: costs of 1×22350×22350 edge pairs"):
        read_qaplib(path)


def test_what_the_format_cannot_hold_is_refused(tmp_path):
    for a, b in (
        (torch.ones(2, 2), torch.ones(3, 3)),
        (torch.ones(2, 3), torch.ones(2, 3)),
        (torch.ones(0, 0),) * 2,
    ):
        with pytest.raises(ProblemError, match="QAPLIB holds two n×n matrices"):
            write_dat(tmp_path / "x.dat", a, b)
    with pytest.raises(ProblemError, match="not finite"):
        write_dat(tmp_path / "x.dat", torch.eye(2), torch.full((2, 2), torch.inf))
    with pytest.raises(ProblemError, match="is no permutation"):
        write_sln(tmp_path / "x.sln", 1.0, [1, 2])
    assert list(tmp_path.iterdir()) == []
