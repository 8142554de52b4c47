"""The catalogue beside the facts of the published lists, a row for each list.

    python benchmarks/catalogue.py LISTS.json

LISTS.json is a list of objects with the keys list, entries, unique, groups, first and sha256. A list agrees if all of
them are those of each entry that has it, and if its lines are shared without remainder where several entries have it.
Exit code 1 if a list does not agree, is unknown to the catalogue, or is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from gmssl.corpus.catalogue.entry import Entry, Published
from gmssl.corpus.catalogue.loading import load_catalogue
from gmssl.system.files import write_whole
from gmssl.system.grid import Grid, page_with

FACTS = ("entries", "unique", "groups", "first", "sha256")
AUTHOR = "benchmarks/catalogue.py"


@dataclass(frozen=True)
class Row:
    """A list, the entries that have it, and the facts of both sides."""

    name: str
    entries: tuple[tuple[Entry, Published], ...]
    theirs: dict[str, Any] | None

    @property
    def agrees(self) -> bool:
        """Whether each entry has the facts of the list."""
        if not self.entries or self.theirs is None:
            return False
        same = all(getattr(p, fact) == self.theirs[fact] for _, p in self.entries for fact in FACTS)
        parts = [p.own for _, p in self.entries if p.own is not None]
        titles = len(parts)  # a line above the part of each dataset
        return same and (not parts or sum(parts) + titles == self.theirs["entries"])

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        ours = self.entries[0][1] if self.entries else None
        numbers = ", ".join(str(entry.number) for entry, _ in self.entries)
        names = ", ".join(entry.name for entry, _ in self.entries)
        odd = " / ".join(dict.fromkeys(entry.odd for entry, _ in self.entries if entry.odd))
        return (
            numbers,
            names,
            self.name,
            "" if ours is None else str(ours.entries),
            "" if self.theirs is None else str(self.theirs["entries"]),
            "" if ours is None else ours.sha256,
            "" if self.theirs is None else self.theirs["sha256"],
            "yes" if self.agrees else "NO",
            odd,
        )


def rows(entries: Sequence[Entry], lists: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """All lists that either side knows, in the order of the catalogue."""
    theirs = {row["list"]: row for row in lists}
    ours: dict[str, list[tuple[Entry, Published]]] = {}
    for entry in entries:
        for published in entry.published:
            ours.setdefault(published.name, []).append((entry, published))
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        yield Row(name, tuple(ours.get(name, ())), theirs.get(name))


def main() -> int:
    """Print the table and how many lists agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", type=Path, metavar="LISTS.json")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown, too")
    given = parser.parse_args()
    entries = list(load_catalogue().values())
    found = list(rows(entries, json.loads(given.lists.read_text(encoding="utf-8"))))
    headings = ("no.", "entry", "list", "ours", "theirs", "hash, ours", "hash, theirs", "agrees", "odd")
    without = [entry.name for entry in entries if not entry.published]
    odd = sum(entry.odd is not None for entry in entries)
    summary = (
        f"{sum(row.agrees for row in found)} of {len(found)} agree; {len(entries)} entries, {odd} with something odd; "
        f"no list: {', '.join(without) or 'none'}."
    )
    grid = Grid("Published lists", headings, [row.cells() for row in found], left=len(headings))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 600)
    console.print(grid.to_rich())
    console.print(summary)
    if given.markdown is not None:
        before = given.markdown.read_text(encoding="utf-8") if given.markdown.exists() else None
        write_whole(given.markdown, page_with(summary, [grid], AUTHOR, before, given.markdown))
    return 0 if all(row.agrees for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
