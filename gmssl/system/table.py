"""Append-only CSV files that a resumed run cuts back to its checkpoint."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from gmssl.system.files import replacing


class Table:
    """A CSV file with a first column `step`; a row is on disk when `append` returns.

    Numbers are written with `repr`, so that they are read back exactly and equal runs give equal bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] | None = None

    def append(self, row: Mapping[str, float | int | str | None]) -> None:
        """Add a row; the first one decides the columns."""
        new = not self.path.exists() or self.path.stat().st_size == 0
        columns = self._columns = list(row) if new else self._columns or self.columns()
        if set(columns) != set(row):
            raise ValueError(f"{self.path} has columns {columns}, the row has {list(row)}")
        with self.path.open("a", encoding="utf-8", newline="") as file:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            if new:
                writer.writerow(columns)
            writer.writerow([_cell(row[column]) for column in columns])
            file.write(text.getvalue())  # one write: a kill leaves at most one torn line, at the end

    def columns(self) -> list[str]:
        """Names of the columns; empty if there is no file."""
        rows = self._rows()
        return rows[0] if rows else []

    def rows(self) -> list[dict[str, str]]:
        """All complete rows."""
        rows = self._rows()
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] if rows else []

    def numbers(self, column: str) -> list[float]:
        """A column as numbers, NaN where a cell is empty."""
        return [float(row.get(column) or "nan") for row in self.rows()]

    def truncate(self, step: int) -> None:
        """Drop the rows of later steps and a torn last line, atomically."""
        rows = self._rows()
        if not rows:
            self.path.unlink(missing_ok=True)
            return
        at = rows[0].index("step")
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([rows[0], *(row for row in rows[1:] if int(row[at]) <= step)])
        with replacing(self.path) as file:
            file.write(text.getvalue().encode("utf-8"))

    def _rows(self) -> list[list[str]]:
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]  # a line without its end was torn by a kill
        return [row for row in csv.reader(io.StringIO(whole)) if row]


def _cell(value: float | int | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)
