"""`gmssl evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gmssl.commands.common.options import Neighbours, Workers, conditions, examples

EVALUATE_EXAMPLES = examples(
    "gmssl evaluate RUN  # on the images of the run",
    "gmssl evaluate RUN --train my/labelled  # cross-validated",
    "gmssl evaluate RUN --train my/train --test my/test",
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


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder that `gmssl train` printed.")],
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
    """Evaluate a run's encoder by kNN and a linear probe, beside the untrained encoder and raw pixels."""
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

    run_recipe(run)  # a wrong run folder is told before any image is listed
    report = judge(
        run,
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
