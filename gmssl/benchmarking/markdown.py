"""Tables in a page of the documentation, between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gmssl.benchmarking.grid import Grid
from gmssl.errors import FormatError


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
        where: of the page, for messages.

    Raises:
        FormatError: the page has not one mark of each kind, in this order.
    """
    begin, end = marks(author)
    if before is None:
        before = f"{begin}\n{end}\n"
    head, tail = _around(before, author, where)
    body = "\n".join([summary + "\n", *(grid.to_markdown() for grid in grids)])
    return f"{head}{begin}\n{body}{end}{tail}"


def refuse_without_marks(page: str, author: str, where: Path) -> None:
    """Before anything is measured.

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
