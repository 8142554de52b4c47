"""A table of text, which goes to the terminal, into Markdown, or between two marks of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.errors import FormatError

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
        """The table for the terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for index, heading in enumerate(self.headings):
            table.add_column(Text(heading), justify="left" if index < self.left else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def to_markdown(self) -> str:
        """The table in Markdown, under a heading of level 3."""
        rule = ["---" if index < self.left else "---:" for index in range(len(self.headings))]
        above = [f"### {self.title}", ""] if self.title else []
        lines = ["| " + " | ".join(_cell(c) for c in row) + " |" for row in (self.headings, tuple(rule), *self.rows)]
        return "\n".join([*above, *lines, *(["", self.note] if self.note else [])]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def marks(author: str) -> tuple[str, str]:
    """The lines around what `author` writes, such as "gmssl bench solvers"."""
    return f"<!-- begin: written by {author} -->", f"<!-- end: written by {author} -->"


def page_with(summary: str, grids: Sequence[Grid], author: str, before: str | None, where: Path) -> str:
    """The text of a page with the tables of a report.

    Args:
        summary: stands above the tables.
        grids: the tables.
        author: the command that writes them.
        before: the page as it is, or None for a new one. Whatever stands between the marks is replaced.
        where: where the page is, for messages.

    Raises:
        FormatError: the page does not have one mark of each kind, in this order.
    """
    begin, end = marks(author)
    if before is None:
        before = f"{begin}\n{end}\n"
    head, tail = _around(before, author, where)
    body = "\n".join([summary + "\n", *(grid.to_markdown() for grid in grids)])
    return f"{head}{begin}\n{body}{end}{tail}"


def refuse_without_marks(page: str, author: str, where: Path) -> None:
    """Refuse a page that has no place for tables, before anything is measured.

    Raises:
        FormatError: as `page_with`.
    """
    _around(page, author, where)


def _around(page: str, author: str, where: Path) -> tuple[str, str]:
    begin, end = marks(author)
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise FormatError(
            f"{where} has no place for the tables; put the lines {begin!r} and {end!r} into it, once each, "
            "or name a new file."
        )
    return page.partition(begin)[0], page.partition(end)[2]
