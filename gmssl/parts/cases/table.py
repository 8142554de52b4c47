"""Cases listed in a CSV file."""

from __future__ import annotations

import csv
import string
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from gmssl.errors import DataError
from gmssl.interfaces.cases import IMAGE, Case, Cases
from gmssl.parts.cases.checking import checked


class Table(Cases):
    """The rows of a CSV file with a header, a case each.

    `files` maps roles to paths below the root, in which `{column}` stands for the cell of a column:
    `{image: "{path}", mask: "masks/{name}.png"}`. A file is left out of a case where a cell that its path consists of
    is empty. All columns are facts of the case.
    """

    kind: ClassVar[str] = "table"

    path: Path = Field(description="the CSV file, in UTF-8")
    root: Path | None = Field(None, description="folder that paths start from; default: the CSV file's")
    files: dict[str, str] = Field({IMAGE: "{path}"}, description="role → path below the root")
    name: str = Field("", description="columns that name a case, such as {case}; default: the path of the image")
    label: str | None = Field(None, description="column with the class")
    patient: str | None = Field(None, description="column with the patient")
    where: dict[str, str] = Field({}, description="keep rows whose columns have these values")

    @field_validator("files")
    @classmethod
    def _an_image_is_there(cls, files: dict[str, str]) -> dict[str, str]:
        if IMAGE not in files:
            raise ValueError(f"there is no role {IMAGE!r}; add it, as in {{{IMAGE}: '{{path}}'}}")
        return files

    def cases(self) -> Sequence[Case]:
        """A case for each row, in their order.

        Raises:
            DataError: the table or a file is missing, a column is not there, or no row is left.
        """
        path = self.path.expanduser()
        root = self.root.expanduser() if self.root else path.parent
        rows = self._rows(path)
        found = [self._case(root, row) for row in rows if all(row[key] == value for key, value in self.where.items())]
        if not found:
            told = ", ".join(f"{key} = {sorted({row[key] for row in rows})[:8]}" for key in self.where)
            raise DataError(
                f"cases: not one of {len(rows)} rows of {path} is kept; it holds {told}. Change cases.where."
                if self.where
                else f"cases: {path} has no rows. Give a table with a row for each case."
            )
        return checked(found, path)

    def _rows(self, path: Path) -> list[dict[str, str]]:
        if not path.is_file():
            raise DataError(
                f"cases.path: there is no file {path}. Set cases.path (and cases.root) to where the data is."
            )
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                rows = [{key: value or "" for key, value in row.items() if key is not None} for row in reader]
                columns = reader.fieldnames or []
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"cases.path: {path} cannot be read as CSV: {error}. Save it as CSV in UTF-8.") from None
        asked = {name for text in (*self.files.values(), self.name) for name in _names(text)}
        asked |= {*self.where, *(column for column in (self.label, self.patient) if column)}
        missing = sorted(asked - set(columns))
        if missing:
            raise DataError(
                f"cases: {path} has no column {', '.join(map(repr, missing))}; it has {', '.join(columns) or 'none'}. "
                "Correct the setting that names it."
            )
        return rows

    def _case(self, root: Path, row: dict[str, str]) -> Case:
        files = {
            role: root / text.format_map(row)
            for role, text in self.files.items()
            if all(row[name] for name in _names(text))
        }
        image = files.get(IMAGE)
        name = self.name.format_map(row) or ("" if image is None else image.relative_to(root).as_posix())
        label, patient = (row[column] or None if column else None for column in (self.label, self.patient))
        return Case(name, files, label, patient, dict(row))


def _names(text: str) -> list[str]:
    """The columns that a text with `{column}` consists of."""
    return [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
