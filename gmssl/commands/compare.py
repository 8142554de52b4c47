"""`gmssl compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmssl.commands.tables import show


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
