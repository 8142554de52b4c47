"""A table of text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Grid:
    """A title if there is one, headings, rows of as many cells, and a note; the first `left` columns are flush left."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""
    left: int = 2

    def to_rich(self) -> Table:
        """For the terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for index, heading in enumerate(self.headings):
            table.add_column(Text(heading), justify="left" if index < self.left else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def to_markdown(self) -> str:
        """A pipe table, under a heading of level 3."""
        rule = ["---" if index < self.left else "---:" for index in range(len(self.headings))]
        above = [f"### {self.title}", ""] if self.title else []
        lines = ["| " + " | ".join(_cell(c) for c in row) + " |" for row in (self.headings, tuple(rule), *self.rows)]
        return "\n".join([*above, *lines, *(["", self.note] if self.note else [])]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
