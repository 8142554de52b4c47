"""Options of `gmssl evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gmssl.commands.common.options import benchmark_names

What: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|BENCHMARK",
        help="Run folder of `gmssl train`, or a benchmark: a YAML file or a name of `gmssl recipes list`.",
        autocompletion=benchmark_names,
    ),
]
Json: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Of a benchmark: file to write its results to.", show_default=False),
]
Out: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Of a benchmark: folder of its trainings, from which equal ones are taken. Default: runs/downstream/NAME.",
        show_default=False,
    ),
]
Rows: TypeAlias = list[str] | None
Train: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Labelled images: a folder with a sub-folder for each class, or a CSV manifest. Default: the images of "
        "the run's probe, else those of the run.",
    ),
]
References: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Keep the results of the untrained encoder and of raw pixels in this folder; evaluations with the same "
        "protocol share them.",
        show_default=False,
    ),
]
Exclude: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="exclude.csv of `gmssl data audit`: leave the images it lists out of --train.",
        show_default=False,
    ),
]
Leaks: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="pairs.csv of `gmssl data audit`: test images in it count as leaks in the de-leaked scores.",
        show_default=False,
    ),
]
Encoders: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="E",
        help="Of a benchmark: RUN, timm:NAME (timm's weights), timm:NAME@random, timm:NAME@FILE, file:PATH, hf:REPO, "
        "transformers:REPO, random or own. {seed} in it stands for the seed. Repeatable.",
    ),
]
Test: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Test set, in the same form. Without it, --train is cross-validated."),
]
Folds: TypeAlias = Annotated[
    int | None, typer.Option(min=2, help="Number of folds of the cross-validation. Default: 5.", show_default=False)
]
Where: TypeAlias = Annotated[
    Rows, typer.Option(metavar="COLUMN=VALUE", help="Keep only these rows of the --train manifest. Repeatable.")
]
WhereTest: TypeAlias = Annotated[
    Rows, typer.Option(metavar="COLUMN=VALUE", help="Keep only these rows of the --test manifest. Repeatable.")
]
Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="Seed of the folds and the inner splits.")]
Name: TypeAlias = Annotated[
    str | None, typer.Option(help="Name of the JSON file in RUN/evaluation.", show_default=False)
]
