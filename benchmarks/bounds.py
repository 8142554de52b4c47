"""Lower bounds on QAPLIB: the ascents of `lagrange`, and the bounds in closed form that it has for products.

    python benchmarks/bounds.py FOLDER [--most 40] [--iterations 500 2000]

FOLDER holds `.dat` files, and `.sln` files with the best known values beside them; a file without one is left out.
Everything runs on one thread. For each file the table has the best known value E and the gap (E − bound) / |E| in
percent; for classes of size, means and medians of the gaps and mean seconds, files whose E is 0 left out. Columns:

eigenvalue       the projected eigenvalue bound
Gilmore-Lawler   in closed form
cold N           `lagrange` with `bound: decomposition` and N iterations: the ascent from zero
warm N           with `bound: gilmore_lawler`: the ascent from the multipliers of that bound
best N           with `bound: best`, the default: the higher of warm N and of the closed forms

Writes `results/bounds.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy
import torch
from rich.console import Console

import gmssl
from gmssl.errors import FormatError
from gmssl.parts.solvers.koopmans_beckmann import Products, products_of
from gmssl.parts.solvers.lagrange.eigenvalue import projected_eigenvalues
from gmssl.parts.solvers.lagrange.gilmore_lawler import least_products
from gmssl.problem import Problem
from gmssl.problem.formats import Instance, read
from gmssl.system.files import write_whole
from gmssl.system.grid import Grid
from gmssl.system.machine import this_machine

CLASSES = (1, 25), (26, 40), (41, 1000)
CLOSED = {"eigenvalue": projected_eigenvalues, "Gilmore-Lawler": least_products}


@dataclass
class Row:
    """One file."""

    name: str
    n: int
    best_known: float
    bounds: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def gap(self, column: str) -> float:
        """In percent of the best known value, nan where that is 0."""
        best = self.best_known
        return 100 * (best - self.bounds[column]) / abs(best) if best else float("nan")


def in_closed_form(problem: Problem, bound: Callable[[Products], float]) -> float:
    """A bound of the matrices of a file, which are sought first."""
    found = products_of(problem, 0, numpy.zeros(1, numpy.int64))
    assert found is not None, "files without any flow are left out"
    return bound(found)


def ascent(problem: Problem, bound: str, iterations: int) -> float:
    """The bound of `lagrange` with a tabu search of no effort: only the bound is of interest here."""
    poor = gmssl.part("solver", "robust_tabu", starts=1, iterations=1, agree=None)
    solver = gmssl.part("solver", "lagrange", bound=bound, iterations=iterations, tolerance=0, threads=1, polish=poor)
    found = gmssl.solve(problem, solver).bound
    assert found is not None
    return found.item()


def measured(instance: Instance, iterations: list[int]) -> Row:
    """All bounds of one file."""
    assert instance.best_known is not None
    problem = instance.problem
    row = Row(instance.name, problem.costs.vertex.shape[1], instance.best_known)

    def measure(column: str, run: Callable[[], float]) -> None:
        begin = time.perf_counter()
        row.bounds[column] = run()
        row.seconds[column] = time.perf_counter() - begin

    for column, closed in CLOSED.items():
        measure(column, partial(in_closed_form, problem, closed))
    for steps in iterations:
        measure(f"cold {steps}", partial(ascent, problem, "decomposition", steps))
        measure(f"warm {steps}", partial(ascent, problem, "gilmore_lawler", steps))
        # Not measured again: the parts of it are the columns before.
        parts = [f"warm {steps}", *CLOSED]
        row.bounds[f"best {steps}"] = max(row.bounds[part] for part in parts)
        row.seconds[f"best {steps}"] = sum(row.seconds[part] for part in parts)
    return row


def found_in(folder: Path, most: int) -> list[Instance]:
    """Instances of at most so many vertices with a best known value, the small ones first."""
    instances = []
    for path in sorted(folder.glob("*.dat")):
        # The size stands first: a file that is too large is not read on.
        if int(path.read_text().split(maxsplit=1)[0]) > most:
            continue
        try:
            (instance,) = read(path)
        except FormatError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if instance.best_known is None:
            print(f"left out: {path.name} has no best known value", file=sys.stderr)
        elif not instance.problem.costs.edge.numel():
            print(f"left out: {path.name} has no flow", file=sys.stderr)
        else:
            instances.append(instance)
    return sorted(instances, key=lambda instance: instance.problem.costs.vertex.shape[1])


def by_file(rows: list[Row]) -> Grid:
    """Gaps of each file."""
    columns = list(rows[0].bounds)
    cells = [(r.name, str(r.n), f"{r.best_known:.0f}", *(f"{r.gap(c):.1f}" for c in columns)) for r in rows]
    return Grid("gap %", ("file", "n", "best known", *columns), cells)


def by_class(rows: list[Row]) -> list[dict[str, object]]:
    """Gaps and seconds over the files of each class of size."""
    classes: list[dict[str, object]] = []
    for lo, hi in CLASSES:
        part = [row for row in rows if lo <= row.n <= hi and row.best_known]
        for column in rows[0].bounds if part else ():
            gaps = [row.gap(column) for row in part]
            kind = {"from": lo, "to": hi, "files": len(part), "bound": column}
            spent = mean(row.seconds[column] for row in part)
            classes.append({**kind, "mean_gap": mean(gaps), "median_gap": median(gaps), "mean_seconds": spent})
    return classes


def main() -> None:
    """Print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=40, help="vertices of an instance at most")
    parser.add_argument("--iterations", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "bounds.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    instances = found_in(given.folder, given.most)
    if not instances:
        parser.error(f"{given.folder} holds no .dat file of at most {given.most} vertices with a .sln file beside it")
    measured(instances[0], given.iterations)  # compile
    rows = [measured(instance, given.iterations) for instance in instances]
    classes = by_class(rows)
    console = Console(width=180)
    console.print(by_file(rows).to_rich())
    cells = [
        (
            f"{c['from']}–{c['to']}",
            *(str(c[key]) for key in ("files", "bound")),
            *(f"{c[key]:.1f}" for key in ("mean_gap", "median_gap")),
            f"{c['mean_seconds']:.4f}",
        )
        for c in classes
    ]
    console.print(Grid("means", ("n", "files", "bound", "mean gap %", "median gap %", "s"), cells).to_rich())
    report = {
        "command": " ".join(["python benchmarks/bounds.py", given.folder.name, *sys.argv[2:]]),
        "machine": asdict(this_machine()),
        "classes": classes,
        "rows": [asdict(row) for row in rows],
    }
    write_whole(given.out, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
