"""`gmssl report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmssl.commands.common.options import examples

REPORT_EXAMPLES = examples(
    "gmssl report brain.json chest.json nuclei.json --out report",
    "gmssl report results/*.json --metric f1 --metric nuclei_unet=dice --out report",
)


def report(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Results that `gmssl evaluate BENCHMARK --json FILE` wrote.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the report; a new one.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[BENCHMARK=]NAME",
            help="The score that is shown, of every benchmark or of one. Repeatable. Default: their main scores.",
        ),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Samples of patients for the intervals of paired differences; 0 for none.")
    ] = 1000,
) -> None:
    """Make tables, figures and a page of the results of benchmarks, and compare encoders honestly."""
    from gmssl.downstream.reporting.writing import PAGE, refuse_used
    from gmssl.downstream.reporting.writing import report as write

    refuse_used(out)
    from rich.console import Console

    from gmssl.commands.common.options import show
    from gmssl.downstream.reporting.tables import scores
    from gmssl.system.grid import Grid

    console = Console(stderr=True)
    with console.status("reading") as status:
        found = write(files, out, metric or [], bootstrap, lambda words: status.update(words.replace("[", r"\[")))
    table = scores(found)
    rows = [tuple(cell.text for cell in row) for row in table.rows]
    show([Grid("", table.headings, rows, "", left=1)], "\n".join(table.notes))
    typer.echo(out / PAGE)
