"""Tables in a page of the documentation, between two marks."""

from __future__ import annotations

from pathlib import Path

from gmssl.benchmarking.report import Report
from gmssl.benchmarking.tables import summary, tables
from gmssl.errors import FormatError

BEGIN = "<!-- begin: written by gmssl bench solvers -->"
END = "<!-- end: written by gmssl bench solvers -->"


def page_with(report: Report, before: str | None, where: Path) -> str:
    """The text of a page with the tables of a report.

    Args:
        report: to show.
        before: the page as it is, or None for a new one. Whatever stands between the marks is replaced.
        where: of the page, for messages.

    Raises:
        FormatError: the page has not one mark of each kind, in this order.
    """
    if before is None:
        before = f"{BEGIN}\n{END}\n"
    head, tail = _around(before, where)
    body = "\n".join([summary(report) + "\n", *(grid.to_markdown() for grid in tables(report))])
    return f"{head}{BEGIN}\n{body}{END}{tail}"


def refuse_without_marks(page: str, where: Path) -> None:
    """Before anything is measured.

    Raises:
        FormatError: as `page_with`.
    """
    _around(page, where)


def _around(page: str, where: Path) -> tuple[str, str]:
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise FormatError(
            f"{where} has no place for the tables; put the lines {BEGIN!r} and {END!r} into it, once each, "
            "or name a new file."
        )
    return page.partition(BEGIN)[0], page.partition(END)[2]
