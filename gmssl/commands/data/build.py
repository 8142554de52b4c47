"""`gmssl data build`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from gmssl.commands.common.options import TASKS, Launcher, Parameters, corpus_names, examples, show
from gmssl.commands.data.catalogue import Folders
from gmssl.commands.data.stores import sources_grid

BUILD_EXAMPLES = examples(
    "gmssl data build lvm_med --set root=archives --out store",
    "gmssl data build corpus.yaml --out store --jobs 8",
    "gmssl data build corpus.yaml --out store --launcher slurm --jobs 64",
)


Jobs: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Number of processes, or of tasks of SLURM. Default: one for each core, or {TASKS} tasks.",
        show_default=False,
    ),
]
HowLaunched: TypeAlias = Annotated[
    Launcher,
    typer.Option(
        help="pool: processes of this machine. slurm: an array of jobs; the store lies where all machines see it. "
        "local: what slurm does, tried on this machine."
    ),
]


def build(
    corpus: Annotated[
        Path,
        typer.Argument(
            metavar="CORPUS", help="A YAML file that names archives, or a shipped one.", autocompletion=corpus_names
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the store: new, or of an interrupted build.")],
    jobs: Jobs = None,
    launcher: HowLaunched = Launcher.pool,
    launch: Parameters = None,
    catalogue: Folders = None,
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

    from gmssl.corpus.build import build_store
    from gmssl.corpus.recipe import load_corpus
    from gmssl.system.machine import cores

    if launch and launcher is Launcher.pool:
        raise typer.BadParameter("--launch is for tasks of a cluster; add --launcher slurm.")
    settings = load_corpus(corpus, overrides or [], catalogue or [])
    how = None
    if launcher is not Launcher.pool:
        from gmssl.corpus.launching import launching
        from gmssl.system.cluster.parameters import cluster_with

        how = launching(cluster_with(launcher.value, launch or []))
    workers = jobs or (TASKS if launcher is Launcher.slurm else cores())
    console = Console(stderr=True)
    times = (MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), *times)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("files", total=None)

        def tell(name: str) -> None:
            progress.update(task, description=f"listing {name}")

        def advance(done: int, total: int) -> None:
            progress.update(task, description="files of the store", completed=done, total=total)

        facts = build_store(settings, out, workers, tell, advance, how)
    show([sources_grid(facts)])
    typer.echo(out)
