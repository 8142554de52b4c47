"""`gmssl compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gmssl.benchmarking.grid import Grid


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders of finished trainings.")],
    evaluation: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this report in RUN/evaluation. Repeatable. Default: all."),
    ] = None,
) -> None:
    """Line up finished runs: settings that differ, final metrics, evaluations."""
    from gmssl.sweeping.comparison import compare as compare_runs

    show(compare_runs(runs, evaluation or []))


def show(grids: Sequence[Grid]) -> None:
    """Print tables; where there is no terminal, lines are not broken."""
    from rich.console import Console

    console = Console(highlight=False)
    tables = [grid.to_rich() for grid in grids]
    if not console.is_terminal:
        unlimited = Console(width=1000)
        console.width = max([console.width, *(unlimited.measure(table).maximum for table in tables)])
    for number, (table, grid) in enumerate(zip(tables, grids, strict=True)):
        if number:
            console.print()
        console.print(table)
        if grid.note:
            console.print(grid.note, markup=False)
