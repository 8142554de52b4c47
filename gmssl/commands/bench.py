"""`gmssl bench` measures solvers and estimators; this file also holds what both commands share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gmssl.commands.common.options import examples, show

if TYPE_CHECKING:
    from gmssl.system.grid import Grid


Kinds: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND", help="Measure only this kind. Repeatable. Default: all that are installed."),
]
Out: TypeAlias = Annotated[Path | None, typer.Option(metavar="FILE", help="Write all numbers as JSON.")]
Markdown: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write a short summary as Markdown; in a file that exists, it goes between the marks."
    ),
]
From: TypeAlias = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Show the numbers that --out wrote, instead of measuring."),
]


@dataclass(frozen=True)
class Files:
    """Where results go, and the page that gets the tables, if it exists."""

    out: Path | None
    plot: Path | None
    markdown: Path | None
    page: str | None


def checked(out: Path | None, plot: Path | None, markdown: Path | None, author: str) -> Files:
    """Refuse wrong paths before minutes of measuring.

    Raises:
        FormatError: a path cannot be written, the picture is no PNG, or the page has no marks.
    """
    from gmssl.errors import FormatError

    for option, path in (("--out", out), ("--plot", plot), ("--markdown", markdown)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise FormatError(f"{option} {path} cannot be written; name a file in a folder that exists.")
    if plot is not None and plot.suffix.lower() != ".png":
        raise FormatError(f"--plot {plot} would be a PNG file; let its name end with .png.")
    if markdown is None or not markdown.exists():
        return Files(out, plot, markdown, None)

    from gmssl.problem.formats.text import lines_of
    from gmssl.system.grid import refuse_without_marks

    page = "\n".join(lines_of(markdown))
    refuse_without_marks(page, author, markdown)
    return Files(out, plot, markdown, page)


def keep_libraries_on_one_thread() -> None:
    """Set what BLAS libraries read when they are loaded, which is after this call."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def command_of(what: str, given: Mapping[str, Sequence[object] | int | None], seed: int, quick: bool) -> str:
    """The command that repeats the measurement."""
    words = ["gmssl", "bench", what]
    for option, values in given.items():
        for value in values if isinstance(values, Sequence) else [] if values is None else [values]:
            words += [option, str(value)]
    words += ["--seed", str(seed)] if seed else []
    return shlex.join([*words, *(["--quick"] if quick else [])])


def refuse_beside_from(given: Mapping[str, object], seed: int, quick: bool) -> None:
    """Refuse options that say what to measure, because what was measured cannot be changed afterwards.

    Raises:
        FormatError: such an option was given.
    """
    from gmssl.errors import FormatError

    others = [option for option, value in {**given, "--seed": seed, "--quick": quick}.items() if value]
    if others:
        raise FormatError(f"--from shows numbers that exist; leave out {', '.join(others)}, or --from to measure.")


def write(files: Files, report: object, author: str, summary: str, grids: Sequence[Grid]) -> None:
    """Write the JSON and the page; the caller draws the picture."""
    from dataclasses import asdict

    from gmssl.problem.formats.text import write_text
    from gmssl.system.json_text import json_text

    if files.out is not None:
        write_text(files.out, json_text(asdict(report), indent=1) + "\n")  # type: ignore[call-overload]
    if files.markdown is not None:
        from gmssl.system.grid import page_with

        write_text(files.markdown, page_with(summary, grids, author, files.page, files.markdown))


BENCH_SOLVERS_EXAMPLES = examples(
    "gmssl bench solvers --quick  # a short trial",
    "gmssl bench solvers --n 16 --solver lap --solver robust_tabu",
    "gmssl bench solvers --from all.json --plot all.png",
)
BENCH_ESTIMATORS_EXAMPLES = examples(
    "gmssl bench estimators --quick  # a trial of seconds",
    "gmssl bench estimators --n 4 --estimator imle --out imle.json",
)
bench = typer.Typer(
    help="Compare solvers, or gradient estimators, by measuring them side by side.", no_args_is_help=True
)


@bench.callback()
def _group() -> None:
    """Compare solvers, or gradient estimators, by measuring them side by side."""


@bench.command(epilog=BENCH_SOLVERS_EXAMPLES)
def solvers(
    n: Annotated[
        list[int] | None,
        typer.Option(
            "--n", metavar="N", help="Number of vertices of a side, 2 to 64. Repeatable. Default: 10, 16, 32."
        ),
    ] = None,
    graphs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of instances of each noise setting. Default: 20, or 5 for n > 16.", show_default=False
        ),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Number of rounds. Default: 5.", show_default=False)
    ] = None,
    solver: Kinds = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the instances.")] = 0,
    out: Out = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw time against quality, as PNG.")] = None,
    markdown: Markdown = None,
    saved: From = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Make a short trial: one instance of each setting, one round.")
    ] = False,
) -> None:
    """Compare time and quality of all installed solvers, in all noise settings of training."""
    files = checked(out, plot, markdown, "gmssl bench solvers")
    keep_libraries_on_one_thread()

    from rich.console import Console

    from gmssl.benchmarking.saved import read_report
    from gmssl.benchmarking.solvers.comparison import REPEATS, SIZES, compare_solvers
    from gmssl.benchmarking.solvers.report import Report
    from gmssl.benchmarking.solvers.tables import page_tables, summary, tables

    given = {"--n": n, "--graphs": graphs, "--repeats": repeats, "--solver": solver}
    if saved is not None:
        refuse_beside_from(given, seed, quick)
        report = read_report(saved, Report, "gmssl bench solvers")
    else:
        with Console(stderr=True).status("instances") as status:
            report = compare_solvers(
                list(dict.fromkeys(n or SIZES)),
                graphs or (1 if quick else None),
                repeats or (1 if quick else REPEATS),
                list(dict.fromkeys(solver or [])),
                seed,
                quick,
                command_of("solvers", given, seed, quick),
                status.update,
            )
    show(tables(report), summary(report))
    write(files, report, "gmssl bench solvers", summary(report), page_tables(report))
    if plot is not None:
        from gmssl.benchmarking.solvers.picture import save

        save(report, plot)


@bench.command(epilog=BENCH_ESTIMATORS_EXAMPLES)
def estimators(
    n: Annotated[
        list[int] | None,
        typer.Option("--n", metavar="N", help="Number of vertices of a side, 2 to 5. Repeatable. Default: 3, 4, 5."),
    ] = None,
    instances: Annotated[
        int | None,
        typer.Option(
            min=2, help="Number of instances of each size and stage of training. Default: 8.", show_default=False
        ),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=2, help="Number of estimates of each instance. Default: 64.", show_default=False)
    ] = None,
    estimator: Kinds = None,
    noise: Annotated[str, typer.Option(metavar="KIND", help="Noise of the costs: gumbel or gaussian.")] = "gumbel",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the instances and the noise.")] = 0,
    out: Out = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw cosines, and bias against variance, as PNG.")
    ] = None,
    markdown: Markdown = None,
    saved: From = None,
    quick: Annotated[bool, typer.Option("--quick", help="Make a short trial: n = 3, few instances and draws.")] = False,
) -> None:
    """Compare gradient estimates with the exact gradient of the expected loss: bias, variance and descent."""
    files = checked(out, plot, markdown, "gmssl bench estimators")
    keep_libraries_on_one_thread()

    from rich.console import Console

    from gmssl.benchmarking.estimators.comparison import SIZES, EstimatorReport, Plan, compare_estimators
    from gmssl.benchmarking.estimators.tables import estimator_page, estimator_summary, estimator_tables
    from gmssl.benchmarking.saved import read_report

    given = {
        "--n": n,
        "--instances": instances,
        "--draws": draws,
        "--estimator": estimator,
        "--noise": [noise] if noise != "gumbel" else None,
    }
    if saved is not None:
        refuse_beside_from(given, seed, quick)
        report = read_report(saved, EstimatorReport, "gmssl bench estimators")
    else:
        sizes = list(dict.fromkeys(n or ((3,) if quick else SIZES)))
        counts = instances or (2 if quick else 8), draws or (8 if quick else 64)
        plan = Plan(sizes, *counts, list(dict.fromkeys(estimator or [])), noise, seed, quick)
        with Console(stderr=True).status("instances") as status:
            report = compare_estimators(plan, command_of("estimators", given, seed, quick), status.update)
    show(estimator_tables(report), estimator_summary(report))
    write(files, report, "gmssl bench estimators", estimator_summary(report), estimator_page(report))
    if plot is not None:
        from gmssl.benchmarking.estimators.picture import save

        save(report, plot)
