"""`gmssl data build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmssl.commands.options import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gmssl.corpus.finish import Report
    from gmssl.system.grid import Grid

BUILD_EXAMPLES = examples(
    "gmssl data build corpus.yaml --out store",
    "gmssl data build corpus.yaml --out store --jobs 8  # or go on with it",
    "gmssl data build corpus.yaml --out trial --set sources.0.slices.every=10",
)


def build(
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="A YAML file that names archives, or a shipped one.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the store: new, or of an interrupted build.")],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of processes. Default: one for each core.", show_default=False)
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change one setting, e.g. bits=16. Repeatable."),
    ] = None,
) -> None:
    """Build a store from archives of pictures, DICOM, volumes and slides.

    The same command goes on where a build was interrupted; the store is the same, byte for byte.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from gmssl.commands.options import show
    from gmssl.corpus.build import build_store
    from gmssl.corpus.recipe import load_corpus
    from gmssl.system.machine import cores

    settings = load_corpus(corpus, overrides or [])
    console = Console(stderr=True)
    times = (MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), *times)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("files", total=None)

        def tell(name: str) -> None:
            progress.update(task, description=f"listing {name}")

        def advance(done: int, total: int) -> None:
            progress.update(task, description="files of the store", completed=done, total=total)

        outcomes = build_store(settings, out, jobs or cores(), tell, advance)
    show([table_of(outcomes)])
    typer.echo(out)


def table_of(outcomes: Sequence[Report]) -> Grid:
    """One line for each source: what was found, and what became of it."""
    from gmssl.system.grid import Grid

    names = ("dataset", "modality", "acquisitions", "patients", "images", "empty", "left out", "broken")
    return Grid("", names, [_row(facts) for facts in outcomes], note="Reasons stand in report.html of the store.")


def _row(facts: Report) -> tuple[str, ...]:
    numbers = (
        facts["acquisitions"],
        facts["patients"] or "–",
        facts["images"],
        facts["empty"],
        sum(facts["left_out"].values()) + facts["excluded"],
        len(facts["faults"]),
    )
    modalities = ", ".join(facts["modalities"]) or ("no such folder" if facts["missing"] else "–")
    return (facts["dataset"], modalities, *map(str, numbers))
