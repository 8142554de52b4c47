"""Columns of a store are what Arrow makes of its rows."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow
from hypothesis import given
from hypothesis import strategies as st

from gmssl.corpus.schema import COLUMNS, arrow_schema, batch_of

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float64": st.floats(allow_nan=False),
}
IMAGE = st.fixed_dictionaries({"bytes": st.binary(max_size=9), "path": VALUES["string"]})
ROW = st.fixed_dictionaries(
    {"image": IMAGE, **{name: st.none() | VALUES[kind] for name, kind in sorted(COLUMNS.items())}}
)


@given(st.lists(ROW, min_size=1, max_size=20))
def test_columns_are_those_of_arrow(rows: list[dict[str, Any]]) -> None:
    batch, schema = batch_of(rows, arrow_schema()), arrow_schema()
    batch.validate(full=True)
    assert batch.equals(pyarrow.RecordBatch.from_pylist(rows, schema), check_metadata=True)
    assert [column.null_count for column in batch.columns] == [
        sum(row[name] is None for row in rows) for name in schema.names
    ]


def test_columns_need_no_pandas() -> None:
    row = {"image": {"bytes": b"", "path": ""}, **dict.fromkeys(COLUMNS)}
    program = (
        "import sys; from gmssl.corpus.schema import arrow_schema, batch_of; "
        f"batch_of([{row!r}], arrow_schema()); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
