"""`gmssl evaluate` for runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from gmssl.commands.common.options import conditions


@dataclass(frozen=True)
class Rows:
    """Which images classifiers learn from and are tested on."""

    train: Path | None
    where: list[str] | None
    test: Path | None
    where_test: list[str] | None
    folds: int | None


@dataclass(frozen=True)
class Shared:
    """How, and what is shared with other evaluations."""

    neighbours: int
    seed: int
    name: str | None
    workers: int
    references: Path | None
    exclude: Path | None
    leaks: Path | None


def judge_run(run: Path, rows: Rows, shared: Shared) -> None:
    """Judge the encoder of a run and print the table."""
    kept = conditions("--where", rows.where, rows.train, "--train")
    held = conditions("--where-test", rows.where_test, rows.test, "--test")
    _refuse(rows.folds, rows.test, shared.references, shared.name)
    if shared.leaks is not None and rows.test is None:
        raise typer.BadParameter("--leaks tells which images of a test set leaked; name the set with --test.")

    from rich.console import Console

    from gmssl.evaluation.evaluating import evaluate as judge
    from gmssl.evaluation.rendering import render
    from gmssl.evaluation.runs import run_recipe
    from gmssl.evaluation.selection import open_source

    run_recipe(run)  # a wrong run folder is told before any image is listed
    report = judge(
        run,
        train=None if rows.train is None else open_source(rows.train, kept),
        test=None if rows.test is None else open_source(rows.test, held),
        folds=5 if rows.folds is None else rows.folds,
        neighbours=shared.neighbours,
        seed=shared.seed,
        name=shared.name,
        workers=shared.workers,
        references=shared.references,
        exclude=shared.exclude,
        leaks=shared.leaks,
    )
    render(report, Console())


def _refuse(folds: int | None, test: Path | None, references: Path | None, name: str | None) -> None:
    if folds is not None and test is not None:
        raise typer.BadParameter("--folds is for cross-validation, and --test replaces that; give one of them.")
    if references is not None and references.exists() and not references.is_dir():
        raise typer.BadParameter(f"--references {references} is a file; name a folder.")
    if name is not None and (Path(name).name != name or name in ("", "..")):
        raise typer.BadParameter(f"--name {name!r} is no file name; write for example --name chest_xray.")
