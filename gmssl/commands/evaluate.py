"""`gmssl evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gmssl.commands.common.benchmarks import is_benchmark, refuse_given, run
from gmssl.commands.common.options import Neighbours, Overrides, Workers, benchmark_names, conditions, examples

EVALUATE_EXAMPLES = examples(
    "gmssl evaluate RUN  # on the images of the run",
    "gmssl evaluate RUN --train my/labelled  # cross-validated",
    "gmssl evaluate RUN --train my/train --test my/test",
    "gmssl evaluate nuclei_unet --encoder RUN --encoder timm:resnet50 --json nuclei.json  # a benchmark",
)

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
        "random or own. Repeatable.",
    ),
]
_BENCHMARK_ONLY = ("encoder", "json", "out", "overrides")
_RUN_ONLY = (
    *("train", "test", "folds", "where", "where_test", "neighbours", "seed", "name", "workers", "references"),
    *("exclude", "leaks"),
)


def evaluate(
    context: typer.Context,
    what: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|BENCHMARK",
            help="Run folder of `gmssl train`, or a benchmark: a YAML file or a name of `gmssl recipes list`.",
            autocompletion=benchmark_names,
        ),
    ],
    encoder: Encoders = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the results of a benchmark to this file.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of a benchmark's trainings, from which equal ones are taken. Default: runs/downstream/NAME.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    train: Train = None,
    test: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Test set, in the same form. Without it, --train is cross-validated."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Number of folds of the cross-validation. Default: 5.", show_default=False)
    ] = None,
    where: Annotated[
        Rows, typer.Option(metavar="COLUMN=VALUE", help="Keep only these rows of the --train manifest. Repeatable.")
    ] = None,
    where_test: Annotated[
        Rows, typer.Option(metavar="COLUMN=VALUE", help="Keep only these rows of the --test manifest. Repeatable.")
    ] = None,
    neighbours: Neighbours = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the folds and the inner splits.")] = 0,
    name: Annotated[
        str | None, typer.Option(help="Name of the JSON file in RUN/evaluation.", show_default=False)
    ] = None,
    workers: Workers = 0,
    references: References = None,
    exclude: Exclude = None,
    leaks: Leaks = None,
) -> None:
    """Evaluate a run's encoder by kNN and a linear probe, or any encoders by a benchmark."""
    if is_benchmark(what):
        refuse_given(
            context, _RUN_ONLY, "is for a run folder, and a benchmark says it in its YAML file (--set changes it)"
        )
        return run(what, encoder or [], json, out, overrides or [])
    refuse_given(context, _BENCHMARK_ONLY, f"is for benchmarks, and {what} is none")
    kept = conditions("--where", where, train, "--train")
    held = conditions("--where-test", where_test, test, "--test")
    _refuse(folds, test, references, name)
    if leaks is not None and test is None:
        raise typer.BadParameter("--leaks tells which images of a test set leaked; name the set with --test.")

    from rich.console import Console

    from gmssl.evaluation.evaluating import evaluate as judge
    from gmssl.evaluation.rendering import render
    from gmssl.evaluation.runs import run_recipe
    from gmssl.evaluation.selection import open_source

    run_recipe(what)  # a wrong run folder is told before any image is listed
    report = judge(
        what,
        train=None if train is None else open_source(train, kept),
        test=None if test is None else open_source(test, held),
        folds=5 if folds is None else folds,
        neighbours=neighbours,
        seed=seed,
        name=name,
        workers=workers,
        references=references,
        exclude=exclude,
        leaks=leaks,
    )
    render(report, Console())


def _refuse(folds: int | None, test: Path | None, references: Path | None, name: str | None) -> None:
    if folds is not None and test is not None:
        raise typer.BadParameter("--folds is for cross-validation, and --test replaces that; give one of them.")
    if references is not None and references.exists() and not references.is_dir():
        raise typer.BadParameter(f"--references {references} is a file; name a folder.")
    if name is not None and (Path(name).name != name or name in ("", "..")):
        raise typer.BadParameter(f"--name {name!r} is no file name; write for example --name chest_xray.")
