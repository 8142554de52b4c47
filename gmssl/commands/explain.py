"""`gmssl explain`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gmssl.commands.common.options import examples

EXPLAIN_EXAMPLES = examples(
    "gmssl explain RUN  # on the images of the run",
    "gmssl explain RUN --data my/labelled --group label",
)


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
            help="Images to match: a folder (its sub-folders are labels) or a CSV manifest. Default: the run's images.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        Group | None,
        typer.Option(
            help="Group images by this. Default: the first of modality, dataset and label that has two values.",
            show_default=False,
        ),
    ] = None,
    graphs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of graphs to match in each pass, in whole batches. A graph holds some images of a batch, all "
            "of them, or one, as the recipe says. Default: as many as 384 images give.",
            show_default=False,
        ),
    ] = None,
    passes: Annotated[int, typer.Option(min=1, help="Number of passes, each with fresh views.")] = 6,
    pairs: Annotated[int, typer.Option(min=0, max=99, help="Number of confused pairs to show.")] = 12,
    bounds: Annotated[int, typer.Option(min=0, help="Number of graphs to compare with a proven bound.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the images, views and noise.")] = 0,
) -> None:
    """Explain a finished run in an HTML page: curves, accuracy by group, confused images and why, solver gap, time."""
    from rich.console import Console

    from gmssl.evaluation.runs import run_recipe

    run_recipe(run)  # a wrong run folder is told before anything heavy is imported

    from gmssl.evaluation.progress import Stages
    from gmssl.explaining.report import Effort
    from gmssl.explaining.writing import explain as write

    effort = Effort(passes=passes, pairs=pairs, bounds=bounds, seed=seed)
    stages = Stages(Console(stderr=True))
    typer.echo(write(run, out, data, None if group is None else group.value, graphs, effort, stages))
