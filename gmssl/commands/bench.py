"""`gmssl bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmssl.commands.measuring import Markdown, Out, checked, command_of, keep_libraries_on_one_thread, write
from gmssl.commands.tables import show

bench = typer.Typer(help="Measure solvers or gradient estimators side by side.", no_args_is_help=True)


@bench.callback()
def _group() -> None:
    """Measure solvers or gradient estimators side by side."""


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
    out: Out = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw time against quality, as PNG.")] = None,
    markdown: Markdown = None,
    quick: Annotated[bool, typer.Option("--quick", help="One instance of each setting, one round: a trial.")] = False,
) -> None:
    """Time and quality of every installed solver, in every noise setting of training."""
    files = checked(out, plot, markdown, "gmssl bench solvers")
    keep_libraries_on_one_thread()

    from rich.console import Console

    from gmssl.benchmarking.solvers import REPEATS, SIZES, compare_solvers
    from gmssl.benchmarking.tables import summary, tables

    given = {"--n": n, "--graphs": graphs, "--repeats": repeats, "--solver": solver}
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
    text, grids = summary(report), tables(report)
    show(grids, text)
    write(files, report, "gmssl bench solvers", text, grids)
    if plot is not None:
        from gmssl.benchmarking.pareto import save

        save(report, plot)


@bench.command()
def estimators(
    n: Annotated[
        list[int] | None,
        typer.Option("--n", metavar="N", help="Vertices of a side, 2 to 5. Repeatable. Default: 3, 4, 5."),
    ] = None,
    instances: Annotated[
        int | None, typer.Option(min=2, help="Of each size and stage of training. Default: 8.", show_default=False)
    ] = None,
    draws: Annotated[
        int | None, typer.Option(min=2, help="Estimates of each instance. Default: 64.", show_default=False)
    ] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only this kind. Repeatable. Default: all that are installed."),
    ] = None,
    noise: Annotated[str, typer.Option(metavar="KIND", help="Of the costs: gumbel or gaussian.")] = "gumbel",
    seed: Annotated[int, typer.Option(min=0, help="Of the instances and the noise.")] = 0,
    out: Out = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw cosines, and bias against variance, as PNG.")
    ] = None,
    markdown: Markdown = None,
    quick: Annotated[bool, typer.Option("--quick", help="n = 3, few instances and draws: a trial.")] = False,
) -> None:
    """Bias, variance and descent of gradient estimates, against the exact gradient of the expected loss."""
    files = checked(out, plot, markdown, "gmssl bench estimators")
    keep_libraries_on_one_thread()

    from rich.console import Console

    from gmssl.benchmarking.estimator_tables import estimator_summary, estimator_tables
    from gmssl.benchmarking.estimators import SIZES, Plan, compare_estimators

    plan = Plan(
        list(dict.fromkeys(n or ((3,) if quick else SIZES))),
        instances or (2 if quick else 8),
        draws or (8 if quick else 64),
        list(dict.fromkeys(estimator or [])),
        noise,
        seed,
        quick,
    )
    given = {
        "--n": n,
        "--instances": instances,
        "--draws": draws,
        "--estimator": estimator,
        "--noise": [noise] if noise != "gumbel" else None,
    }
    with Console(stderr=True).status("instances") as status:
        report = compare_estimators(plan, command_of("estimators", given, seed, quick), status.update)
    text, grids = estimator_summary(report), estimator_tables(report)
    show(grids, text)
    write(files, report, "gmssl bench estimators", text, grids)
    if plot is not None:
        from gmssl.benchmarking.estimator_picture import save

        save(report, plot)
