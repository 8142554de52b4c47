"""Tables are cut back exactly, whatever a kill has left at their end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.system.table import Table

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=8), st.integers(0, 9), st.integers(0, 30))
def test_a_killed_table_cut_back_and_continued_equals_an_unbroken_one(
    values: list[float], keep: int, torn: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Table(Path(folder) / "whole.csv"), Table(Path(folder) / "broken.csv")
        for step, value in enumerate(values, start=1):
            whole.append({"step": step, "value": value, "absent": None})
            broken.append({"step": step, "value": value, "absent": None})
        last = whole.path.read_bytes().splitlines(keepends=True)[-1]
        with broken.path.open("ab") as file:
            file.write(last[: min(torn, len(last) - 1)])  # a row that the kill cut short
        broken = Table(broken.path)
        broken.truncate(keep)
        assert [int(row["step"]) for row in broken.rows()] == list(range(1, min(keep, len(values)) + 1))
        for step, value in list(enumerate(values, start=1))[keep:]:
            broken.append({"step": step, "value": value, "absent": None})
        assert broken.path.read_bytes() == whole.path.read_bytes()
        assert broken.numbers("value") == values


def test_other_columns_are_refused(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv")
    table.append({"step": 1, "loss": 0.5})
    with pytest.raises(ValueError, match="columns"):
        table.append({"step": 2, "losses": 0.5})


def test_a_table_that_is_not_there_is_empty(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv")
    table.truncate(3)
    assert table.rows() == []
    assert table.columns() == []
    assert table.numbers("step") == []
