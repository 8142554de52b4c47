"""`gmssl bench`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gmssl.benchmarking.report import Report

bench = typer.Typer(help="Measure solvers side by side.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Measure solvers side by side."""


@bench.command()
def solvers(
    n: Annotated[
        list[int] | None,
        typer.Option("--n", metavar="N", help="Vertices of a side, 2 to 64. Repeatable. Default: 10, 16, 32."),
    ] = None,
    graphs: Annotated[
        int | None,
        typer.Option(min=1, help="Instances of each noise setting. Default: 20, or 5 for n > 16.", show_default=False),
    ] = None,
    repeats: Annotated[int | None, typer.Option(min=1, help="Rounds. Default: 5.", show_default=False)] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only this kind. Repeatable. Default: all that are installed."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the instances.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all numbers as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw time against quality, as PNG.")] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the tables as Markdown; in a file that exists, between its marks."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One instance of each setting, one round: a trial.")] = False,
) -> None:
    """Time and quality of every installed solver, in every noise setting of training."""
    page = _checked(out, plot, markdown)
    _keep_libraries_on_one_thread()

    from rich.console import Console

    from gmssl.benchmarking.solvers import REPEATS, SIZES, compare_solvers

    command = _command({"--n": n, "--graphs": graphs, "--repeats": repeats, "--solver": solver}, seed, quick)
    with Console(stderr=True).status("instances") as status:
        report = compare_solvers(
            list(dict.fromkeys(n or SIZES)),
            graphs or (1 if quick else None),
            repeats or (1 if quick else REPEATS),
            list(dict.fromkeys(solver or [])),
            seed,
            quick,
            command,
            status.update,
        )
    _show(report)
    _write(report, out, plot, markdown, page)


def _checked(out: Path | None, plot: Path | None, markdown: Path | None) -> str | None:
    """Wrong paths are told before minutes of measuring. Returns the page that gets the tables, if it exists."""
    from gmssl.errors import FormatError

    for option, path in (("--out", out), ("--plot", plot), ("--markdown", markdown)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise FormatError(f"{option} {path} cannot be written; name a file in a folder that exists.")
    if plot is not None and plot.suffix.lower() != ".png":
        raise FormatError(f"--plot {plot} would be a PNG file; let its name end with .png.")
    if markdown is None or not markdown.exists():
        return None

    from gmssl.benchmarking.markdown import refuse_without_marks
    from gmssl.formats.text import lines_of

    page = "\n".join(lines_of(markdown))
    refuse_without_marks(page, markdown)
    return page


def _keep_libraries_on_one_thread() -> None:
    """BLAS libraries read this when they are loaded, after this function."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def _command(given: dict[str, list[int] | list[str] | int | None], seed: int, quick: bool) -> str:
    """The command that repeats the measurement."""
    words = ["gmssl", "bench", "solvers"]
    for option, values in given.items():
        for value in values if isinstance(values, list) else [] if values is None else [values]:
            words += [option, str(value)]
    words += ["--seed", str(seed)] if seed else []
    return shlex.join([*words, *(["--quick"] if quick else [])])


def _show(report: Report) -> None:
    from rich.console import Console

    from gmssl.benchmarking.tables import summary, tables

    console = Console(highlight=False)
    grids = [(grid.to_rich(), grid.note) for grid in tables(report)]
    if not console.is_terminal:  # a file has no width, and lines that are not broken are easier to read there
        unlimited = Console(width=1000)
        console.width = max([console.width, *(unlimited.measure(table).maximum for table, _ in grids)])
    console.print(summary(report), markup=False)
    for table, note in grids:
        console.print()
        console.print(table)
        console.print(note, markup=False)


def _write(report: Report, out: Path | None, plot: Path | None, markdown: Path | None, page: str | None) -> None:
    import json
    from dataclasses import asdict

    from gmssl.formats.text import write_text

    if out is not None:
        write_text(out, json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if markdown is not None:
        from gmssl.benchmarking.markdown import page_with

        write_text(markdown, page_with(report, page, markdown))
    if plot is not None:
        from gmssl.benchmarking.pareto import save

        save(report, plot)
