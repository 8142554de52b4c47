"""`gmssl solve`."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmssl.commands.common.options import examples, part_with, solver_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.table import Table

    from gmssl.interfaces.solver import Listener, Solver
    from gmssl.problem.formats.text import Instance


SOLVE_EXAMPLES = examples(
    "gmssl solve qap/*.dat  # all problems of a folder",
    "gmssl solve tai50a.dat --solver robust_tabu --seconds 5 --curve curve.csv",
    "gmssl solve - < house.txt  # from standard input, a pipe for example",
)

_EVERY = 5.0
"""Seconds between lines that tell the progress where no terminal shows a bar."""


_SECONDS = 1.0
"""Time for an instance, unless the user says another."""


@dataclass
class Result:
    """What is reported of an instance. Without `fault` it was solved; with one, the numbers are missing.

    All numbers are finite, since JSON has no others; a bound or gap that is not is missing, as if there were none.
    """

    file: str
    name: str
    n: int
    m: int
    energy: float | None = None
    bound: float | None = None
    gap: float | None = None
    converged: bool | None = None
    agreed: bool | None = None
    seconds: float | None = None
    best_known: float | None = None
    assignment: list[int | None] | None = None
    fault: str | None = None


def solve(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Files with matching problems, or - for standard input.")
    ],
    solver: Annotated[
        str,
        typer.Option(metavar="KIND", help="Solver to use; see `gmssl parts list solver`.", autocompletion=solver_names),
    ] = "lagrange",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change one setting of the solver. Repeatable."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Time for each instance, used until the matching is proven; 1 by default, and no limit for solvers "
            "that end with a proof. Solvers without a setting `seconds` take as long as they take.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of the table.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the JSON document to this file.", show_default=False)
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write how the energy falls with time to this CSV file: instance, seconds, energy.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Solve matching problems from files, and print energy, proven bound, gap and time of each instance."""
    from gmssl.errors import FormatError, ProblemError

    chosen = _in_time(_solver(solver, overrides or []), seconds)
    _refuse_without_curve(chosen, curve)
    for option, path in (("--out", out), ("--curve", curve)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise FormatError(f"{option} {path} cannot be written; name a file in a folder that exists.")

    # Everything is read before anything is solved: a broken file costs no result.
    from gmssl.problem.formats.reading import read

    instances = [(path, instance) for path in files for instance in read(path)]
    done: list[Result] = []
    try:
        with _curve_to(curve) as listener:
            _solve_all(instances, chosen, done, listener)
    finally:  # what is done is told, also after Ctrl-C
        if done:
            _report(done, chosen, as_json, out)
    failed = [result for result in done if result.fault is not None]
    if failed:
        more = f" (and {len(failed) - 1} more instances)" if len(failed) > 1 else ""
        raise ProblemError(f"{failed[0].file}, {failed[0].name}{more}: {failed[0].fault}")


def _solver(kind: str, overrides: list[str]) -> Solver:
    from gmssl.errors import RecipeError
    from gmssl.interfaces.solver import Solver

    chosen = part_with("solver", kind, overrides)
    assert isinstance(chosen, Solver)
    if chosen.differentiable:
        raise RecipeError(f"solver {chosen.kind!r} gives relaxed matchings; use one that matches one to one.")
    return chosen


def _in_time(solver: Solver, seconds: float | None) -> Solver:
    """The solver with a time for each instance, where it has such a setting and none was given for it."""
    from gmssl.errors import RecipeError

    fields = type(solver).model_fields
    if seconds is None:
        limited = "seconds" not in fields or "seconds" in solver.model_fields_set or solver.exact
        return solver if limited else solver.model_copy(update={"seconds": _SECONDS})
    if "seconds" not in fields:
        raise RecipeError(f"solver {solver.kind!r} has no time limit; leave --seconds out.")
    if "seconds" in solver.model_fields_set:
        raise RecipeError("the time is given twice, by --seconds and by --set seconds=…; give one of them.")
    if not 0 < seconds < float("inf"):
        raise RecipeError(f"--seconds {seconds:g} is no time; give a number above 0.")
    return solver.model_copy(update={"seconds": seconds})


def _refuse_without_curve(solver: Solver, curve: Path | None) -> None:
    from gmssl.errors import RecipeError
    from gmssl.interfaces.solver import Watchable

    if curve is not None and not isinstance(solver, Watchable):
        raise RecipeError(f"solver {solver.kind!r} tells no curve; leave --curve out, or use robust_tabu or lagrange.")


@contextmanager
def _curve_to(path: Path | None) -> Iterator[Callable[[str], Listener] | None]:
    """A listener for the instance of a name, which writes its lines at once, so that Ctrl-C costs none."""
    import csv

    from gmssl.errors import FormatError

    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise FormatError(f"--curve {path} cannot be written: {error.strerror}; name another file.") from None
    with file:
        writer = csv.writer(file, lineterminator="\n")

        def write(*row: object) -> None:
            writer.writerow(row)
            file.flush()

        write("instance", "seconds", "energy")
        yield lambda name: lambda _, seconds, energy: write(name, f"{seconds:.6f}", repr(energy))


def _solve_all(
    instances: list[tuple[Path, Instance]],
    solver: Solver,
    done: list[Result],
    curve: Callable[[str], Listener] | None,
) -> None:
    """Append a result for each instance, in order."""
    from time import monotonic

    from rich.console import Console
    from rich.progress import Progress

    from gmssl.interfaces.solver import Watchable

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=len(instances) < 2 or not console.is_terminal) as progress:
        task = progress.add_task("compiling", total=len(instances))
        for partial in {instance.problem.topology.partial for _, instance in instances}:
            _warm_up(solver, partial)
        told = monotonic()
        for path, instance in instances:
            progress.update(task, description=instance.name)
            watched = solver
            if curve is not None and isinstance(solver, Watchable):
                watched = solver.watched(curve(instance.name))
            done.append(_solved(path, instance, watched))
            progress.advance(task)
            if not console.is_terminal and len(done) < len(instances) and monotonic() - told >= _EVERY:
                told = monotonic()
                typer.echo(f"{len(done)}/{len(instances)} instances done, the last one {instance.name}", err=True)


def _warm_up(solver: Solver, partial: bool) -> None:
    """Solve two problems of three vertices, so that no reported time holds imports and compilation."""
    import contextlib

    import torch

    from gmssl.errors import ProblemError
    from gmssl.interfaces.solver import Watchable
    from gmssl.problem import Problem
    from gmssl.problem import solve as solve_problem

    if isinstance(solver, Watchable):
        solver = solver.watched(lambda *_: None)
    if getattr(solver, "seconds", None) is not None:
        solver = solver.model_copy(update={"seconds": _SECONDS / 100})
    edges = torch.tensor([[[0, 1], [1, 2]]])
    costs = torch.arange(9, dtype=torch.float64)
    # Costs of edges that are products of two numbers, and others: kernels may differ.
    for edge in (torch.outer(costs[1:3], costs[1:3])[None], costs[:4].view(1, 2, 2)):
        problem = Problem.build(-costs.view(1, 3, 3), edges, edges, edge * solver.uses_edges, partial=partial)
        with contextlib.suppress(ProblemError):  # a refusal is told where it concerns an instance of the user
            solve_problem(problem, solver)


def _solved(path: Path, instance: Instance, solver: Solver) -> Result:
    from math import isfinite
    from time import perf_counter

    from gmssl.errors import ProblemError
    from gmssl.problem import solve as solve_problem

    n, m = instance.problem.costs.vertex.shape[1:]
    result = Result(str(path), instance.name, n, m, best_known=instance.best_known)
    start = perf_counter()
    try:
        solution = solve_problem(instance.problem, solver)
    except ProblemError as error:  # this problem and this solver do not fit; the others may
        result.fault = str(error)
        return result
    result.seconds = perf_counter() - start
    energy = solution.energy.item()
    if not isfinite(energy):
        result.fault = (
            f"the energy of its matching is {energy}: costs are so large that {solution.energy.dtype} does not hold "
            "their sum; divide all of them by one number."
        )
        return result
    result.energy, result.converged = energy, bool(solution.converged)
    result.agreed = None if solution.agreed is None else bool(solution.agreed)
    if solution.bound is not None and solution.gap is not None and isfinite(solution.bound.item()):
        result.bound, gap = solution.bound.item(), solution.gap.item()
        result.gap = gap if isfinite(gap) else None
    result.assignment = [row.index(1) if 1 in row else None for row in solution.matching.vertex[0].tolist()]
    return result


def _report(done: list[Result], solver: Solver, as_json: bool, out: Path | None) -> None:
    from dataclasses import asdict

    from rich.console import Console

    from gmssl.problem.formats.text import write_text
    from gmssl.system.json_text import json_text

    document = {"solver": solver.model_dump(mode="json"), "instances": [asdict(result) for result in done]}
    text = json_text(document, indent=None)
    # Bytes of a file name that are no UTF-8 are lone surrogates in Python, and written as such in JSON's own escapes.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if as_json:
        typer.echo(text)
    else:
        Console(highlight=False).print(_table(done))
    if out is not None:
        write_text(out, text + "\n")


def _table(done: list[Result]) -> Table:
    from rich.table import Table
    from rich.text import Text

    with_best = any(result.best_known is not None for result in done)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("instance", overflow="fold")
    for heading in ("n×m", "energy", "bound", "gap", "seconds", *(["best known", "difference"] if with_best else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in done:
        gap = "-" if result.gap is None else f"{result.gap:.3%}"
        seconds = "-" if result.seconds is None else f"{result.seconds:.4f}"
        cells = [f"{result.n}×{result.m}", _number(result.energy), _number(result.bound), gap, seconds]
        if with_best:
            cells += [_number(result.best_known), _difference(result)]
        table.add_row(Text(result.name), *cells)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"


def _difference(result: Result) -> str:
    if result.energy is None or result.best_known is None:
        return "-"
    above = result.energy - result.best_known
    share = f" ({above / abs(result.best_known):+.2%})" if above and result.best_known else ""
    return f"{above:+.10g}{share}" if above else "0"
