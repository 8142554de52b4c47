"""`gmssl explain`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Group(StrEnum):
    """What images may be grouped by."""

    modality = "modality"
    dataset = "dataset"
    label = "label"


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that `gmssl train` printed.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the report. Default: RUN/explain.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Images to match: folder (class sub-folders are labels) or CSV manifest. Default: those of the run.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        Group | None,
        typer.Option(
            help="Group images by this. Default: the first of modality, dataset, label with two values.",
            show_default=False,
        ),
    ] = None,
    graphs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Graphs to match in each pass, in whole batches; a graph may be some images of a batch, all, or one. "
            "Default: those of 384 images.",
            show_default=False,
        ),
    ] = None,
    passes: Annotated[int, typer.Option(min=1, help="How often they are matched, with fresh views.")] = 6,
    pairs: Annotated[int, typer.Option(min=0, max=99, help="Confused pairs to show.")] = 12,
    bounds: Annotated[int, typer.Option(min=0, help="Graphs to hold against a proven bound.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of images, views and noise.")] = 0,
) -> None:
    """Explain a finished run as an HTML page: curves, accuracy by group, confused images and why, solver gap, time."""
    from rich.console import Console

    from gmssl.evaluation.runs import run_recipe

    run_recipe(run)  # a wrong run folder is told before anything heavy is imported

    from gmssl.evaluation.progress import Stages
    from gmssl.explaining.report import Effort
    from gmssl.explaining.writing import explain as write

    effort = Effort(passes=passes, pairs=pairs, bounds=bounds, seed=seed)
    stages = Stages(Console(stderr=True))
    typer.echo(write(run, out, data, None if group is None else group.value, graphs, effort, stages))
