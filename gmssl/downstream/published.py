"""Published numbers to print beside ours; facts of the papers, as they printed them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache

from gmssl.downstream.recipe import Published
from gmssl.errors import RecipeError
from gmssl.interfaces.part import nearest
from gmssl.interfaces.task import Value
from gmssl.recipe.library import shipped_folder

FILE = "published.csv"


@cache
def table() -> tuple[dict[str, str], ...]:
    """All rows: table, method, data, metric, mean, sd."""
    with (shipped_folder("downstream") / FILE).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def rows_of(asked: Sequence[Published]) -> tuple[dict[str, Value], ...]:
    """The published rows that a benchmark is compared with.

    Raises:
        RecipeError: there is no such table, data or metric.
    """
    found: list[dict[str, Value]] = []
    for one in asked:
        rows = list(table())
        for column in ("table", "data", "metric"):
            wanted = getattr(one, column)
            kept = [row for row in rows if row[column] == wanted]
            if not kept:
                known = sorted({row[column] for row in rows})
                raise RecipeError(
                    f"published.{column}: there is none named {wanted!r}{nearest(wanted, known)}; known are "
                    f"{', '.join(known)}. Correct it, or remove the row."
                )
            rows = kept
        for row in rows:
            numbers = {key: float(row[key]) if row[key] else None for key in ("mean", "sd")}
            found.append({**row, **numbers, "ours": one.ours})
    return tuple(found)
