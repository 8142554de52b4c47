"""Lists of images to leave out, as `gmssl data audit` writes them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import DataError
from gmssl.system.files import what_is_wrong


@dataclass(frozen=True)
class Exclusions:
    """Images to leave out.

    Attributes:
        pixels: sha256 of their grey pixels.
        names: what the audited store, folder or manifest calls one image of each.
    """

    pixels: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


def read_exclusions(path: Path | None) -> Exclusions:
    """Fingerprints in the first column of a CSV file, and names in the column `name`, if there is one.

    Raises:
        DataError: the file cannot be read.
    """
    if path is None:
        return Exclusions()
    head, *rows = _rows(path, "exclude", "exclude.csv") or [[]]
    column = head.index("name") if "name" in head else len(head)
    names = {row[column] for row in rows if len(row) > column and row[column]}
    return Exclusions(frozenset(row[0].strip() for row in rows), frozenset(names))


def read_leaks(path: Path) -> frozenset[str]:
    """Fingerprints of test images that an audit has found in what is trained on, from its `pairs.csv`.

    Raises:
        DataError: the file cannot be read, or is something else.
    """
    head, *rows = _rows(path, "leaks", "pairs.csv") or [[]]
    if "test_pixels" not in head:
        raise DataError(f"leaks: {path} has no column test_pixels. Give the pairs.csv that `gmssl data audit` wrote.")
    column = head.index("test_pixels")
    return frozenset(row[column] for row in rows if len(row) > column)


def _rows(path: Path, key: str, name: str) -> list[list[str]]:
    """The rows of a CSV file that hold something."""
    try:
        with path.expanduser().open(newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{key}: {path} cannot be read: {what_is_wrong(error)}. Give the {name} that `gmssl data audit` wrote."
        ) from None
