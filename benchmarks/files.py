"""The solver on files: QAPLIB, `qap_000.dd`, the 28 `house` problems, and what building a batch costs.

`python benchmarks/files.py` prints the tables and writes `results/files.json`. Everything runs on one thread. Times are
medians over rounds of `gmssl.solve` without reading the file; the first solve, which compiles, is not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from rich.console import Console

import gmssl
from gmssl.benchmarking.solvers.instances import instances
from gmssl.problem.formats import Instance, read
from gmssl.system.files import write_whole
from gmssl.system.grid import Grid
from gmssl.system.machine import this_machine

DATA = Path(__file__).parents[2] / "shared" / "data"
QAPLIB = {"starts": 512, "iterations": 4000, "agree": 12}
"""Effort for QAPLIB; complete graphs with integer costs, far from the problems of training."""
DD = {"starts": 1, "iterations": 400}
"""Effort for `qap_000.dd`, 46×46, sparse and partial."""
HOUSE = {"starts": 32, "iterations": 100, "agree": None}
"""Effort for the house problems, 10×10 and partial; many searches of one end in the same wrong place."""
PROVEN = -94.17718


@dataclass
class Row:
    """One file, or a group of instances."""

    name: str
    n: int
    milliseconds: float
    energy: float
    best: float | None
    above: float | None  # relative


def seconds(run: Callable[[], object], rounds: int) -> float:
    """Median wall time."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def measure(instance: Instance, solver: object, rounds: int, best: float | None) -> Row:
    """Solve one instance."""
    energy = gmssl.solve(instance.problem, solver).energy.item()
    spent = seconds(lambda: gmssl.solve(instance.problem, solver), rounds)
    above = None if best is None else (energy - best) / max(1.0, abs(best))
    return Row(instance.name, max(instance.problem.costs.vertex.shape[1:]), 1e3 * spent, energy, best, above)


def qaplib(rounds: int) -> list[Row]:
    """All `.dat` files."""
    solver = gmssl.part("solver", "robust_tabu", threads=1, **QAPLIB)
    found = [read(path)[0] for path in sorted((DATA / "qap").glob("*.dat"))]
    return [measure(instance, solver, rounds, instance.best_known) for instance in found]


def dd(rounds: int) -> list[Row]:
    """`qap_000.dd`, and the house problems together, whose optima `exact` proves."""
    (instance,) = read(DATA / "dd" / "qap_000.dd")
    rows = [measure(instance, gmssl.part("solver", "robust_tabu", threads=1, **DD), 5 * rounds, PROVEN)]
    solver, exact = gmssl.part("solver", "robust_tabu", threads=1, **HOUSE), gmssl.part("solver", "exact", threads=1)
    for house in read(next((DATA / "dd").glob("house*"))):
        proof = gmssl.solve(house.problem, exact)
        assert bool(proof.converged.all()), house.name
        rows.append(measure(house, solver, rounds, proof.energy.item()))
    return rows


def building(rounds: int) -> tuple[float, float]:
    """Seconds to build, and to solve, some 1000 problems of n = 16 at 12×50."""
    problem = instances(16, 42, seed=0)
    costs, topology = problem.costs, problem.topology
    solver = gmssl.part("solver", "robust_tabu", starts=12, iterations=50, threads=1)
    build = lambda: gmssl.Problem.build(costs.vertex, topology.left, topology.right, costs.edge)  # noqa: E731
    gmssl.solve(problem, solver)
    return seconds(build, 3 * rounds), seconds(lambda: gmssl.solve(problem, solver), rounds)


def grid(title: str, rows: list[Row]) -> Grid:
    """A table."""
    cells = [
        (r.name, str(r.n), f"{r.milliseconds:.1f}", f"{r.energy:.5f}", "–" if r.best is None else f"{r.best:.5f}",
         "–" if r.above is None else f"{100 * r.above:.4f}")
        for r in rows
    ]  # fmt: skip
    return Grid(title, ("file", "n", "ms", "energy", "best known", "above %"), cells)


def main() -> None:
    """Print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "files.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console, machine = Console(width=100), this_machine()
    tables = {"QAPLIB": qaplib(given.rounds), "dd": dd(given.rounds)}
    for title, rows in tables.items():
        console.print(grid(title, rows).to_rich())
    small, large = ([r for r in tables["QAPLIB"] if (r.n <= 25) is which] for which in (True, False))
    console.print(
        f"QAPLIB n ≤ 25: {sum(r.above == 0 for r in small)} of {len(small)} at the listed optimum, slowest "
        f"{max(r.milliseconds for r in small):.0f} ms; larger: {100 * max(r.above for r in large):.3f} % above, "
        f"slowest {max(r.milliseconds for r in large):.0f} ms"
    )
    house = tables["dd"][1:]
    console.print(f"house: {sum(r.above < 1e-6 for r in house)} of {len(house)} at the proven optimum")
    build, solve = building(given.rounds)
    console.print(
        f"building 1008 problems of n = 16: {1e3 * build:.2f} ms, {100 * build / solve:.1f} % of solving them"
    )
    report = {
        "command": " ".join(["python benchmarks/files.py", *sys.argv[1:]]),
        "machine": asdict(machine),
        "efforts": {"QAPLIB": QAPLIB, "dd": DD, "house": HOUSE},
        "rows": {title: [asdict(row) for row in rows] for title, rows in tables.items()},
        "building_share": build / solve,
    }
    write_whole(given.out, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
