"""What readers see: all rows, and pages that keep everything but what is between the marks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gmssl.benchmarking.solvers.report import Report
from gmssl.benchmarking.solvers.tables import WORSE, summary, tables
from gmssl.errors import FormatError
from gmssl.system.grid import Grid, marks, page_with

AUTHOR = "gmssl bench solvers"
BEGIN, END = marks(AUTHOR)

PAGE = Path("page.md")


def shown(report: Report) -> dict[str, Grid]:
    return {grid.title: grid for grid in tables(report)}


def test_all_tables(report: Report) -> None:
    grids = shown(report)
    assert list(grids) == [
        "Time and quality",
        "Bounds",
        "Bound gap by noise setting, %",
        "Two threads against one, robust_tabu",
        "Energies by noise setting, n = 10",
        "Energies by noise setting, n = 16",
        "Not measured",
    ]
    assert all(len(row) == len(grid.headings) for grid in grids.values() for row in grid.rows)
    assert len(grids["Time and quality"].rows) == 2 * 9
    assert len(grids["Energies by noise setting, n = 10"].rows) == 24
    assert grids["Bounds"].rows[0][:4] == ("10", "lagrange", "2.000", "50.0 %")


def test_worse_settings_are_marked(report: Report) -> None:
    grid = shown(report)["Energies by noise setting, n = 10"]
    column = grid.headings.index("lap")
    marked = [row[column].endswith(WORSE) for row in grid.rows]
    assert marked == [True] + [False] * 23
    first = shown(report)["Time and quality"].rows[0]
    assert first[1] == "lap"
    assert first[-1] == "23/24"


def test_tables_without_rows_are_left_out(report: Report) -> None:
    report.sizes[0].rows.clear()
    report.sizes[0].absent.clear()
    assert "Bounds" not in shown(report)
    assert "Not measured" not in shown(report)


def test_summary_names_command_and_machine(report: Report) -> None:
    text = summary(report)
    for part in ("`gmssl bench solvers --n 10`", "a processor", "2 cores", "0.5", "torch 2.15", "48 of n = 16"):
        assert part in text


def test_markdown_table() -> None:
    grid = Grid("Title", ("a", "b"), [("1|2", "3")], "a note", left=1)
    table = "| a | b |\n| --- | ---: |\n| 1\\|2 | 3 |\n\na note\n"
    assert grid.to_markdown() == f"### Title\n\n{table}"
    assert replace(grid, title="").to_markdown() == table


def test_terminal_table_shows_brackets_as_they_are() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(Grid("Title", ("a", "b"), [("[G,n,m]", "3")]).to_rich())
    assert "[G,n,m]" in capture.get()


def test_page_keeps_what_is_around_the_marks(report: Report) -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    once = page_with(summary(report), tables(report), AUTHOR, page, PAGE)
    assert once.startswith(f"# Title\n\n{BEGIN}\n")
    assert once.endswith(f"{END}\n\nafter\n")
    assert "old" not in once
    assert "### Time and quality" in once
    assert page_with(summary(report), tables(report), AUTHOR, once, PAGE) == once


def test_a_new_page_can_be_written_again(report: Report) -> None:
    fresh = page_with(summary(report), tables(report), AUTHOR, None, PAGE)
    assert page_with(summary(report), tables(report), AUTHOR, fresh, PAGE) == fresh


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{END}{END}"])
def test_a_page_without_marks_is_refused(report: Report, page: str) -> None:
    with pytest.raises(FormatError, match=r"page\.md has no place for the tables"):
        page_with(summary(report), tables(report), AUTHOR, page, PAGE)
