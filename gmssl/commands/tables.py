"""Tables on the terminal, in a pipe and in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gmssl.benchmarking.grid import Grid


def show(grids: Sequence[Grid], summary: str = "") -> None:
    """Print a summary, if there is one, and tables with their notes."""
    from rich.console import Console

    console = Console(highlight=False)
    tables = [grid.to_rich() for grid in grids]
    widen(console, tables)
    if summary:
        console.print(summary, markup=False)
    for number, (table, grid) in enumerate(zip(tables, grids, strict=True)):
        if number or summary:
            console.print()
        console.print(table)
        if grid.note:
            console.print(grid.note, markup=False)


def widen(console: Console, tables: Sequence[Table]) -> None:
    """A file or a pipe has no width: there each row is one line. A terminal folds."""
    from rich.console import Console

    if not console.is_terminal:
        unlimited = Console(width=10_000)
        console.width = max([console.width, *(unlimited.measure(table).maximum for table in tables)])
