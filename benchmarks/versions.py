"""Solvers of two versions of gmssl in turns: whether they answer with the same bits, and how their times compare.

    git worktree add ../before COMMIT
    python benchmarks/versions.py ../before [--rounds 101] [--only robust_tabu lagrange] [--instances 32]

Takes the presets of `gmssl bench solvers`, `lagrange` and `exact` at their defaults, and one thread. Prints for each

same         matching, energy, bound and `converged` are the same bits, or else which of them are not
before       milliseconds a batch of the other version, the median over rounds
ratio        its time over that of this version: the median over rounds, and the middle half of them
of the least the same of the least times over all rounds, as other work on the machine only ever adds to times

Versions take turns of `BLOCK` seconds or more on one core, and who comes first alternates. A version against itself
shows what a ratio is worth on this machine: `python benchmarks/versions.py .`

Each version has a process of its own. In one process numba would take the named tuples of both versions, whose fields
are alike, for one type, and look for the compiled search of the second version anew at each call: 0.3 ms, a tenth of a
small batch.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import numpy
import torch
from rich.console import Console
from rich.table import Table

# gmssl is imported within functions only: the processes of both versions read this file, each with a gmssl of its own.

ROOT = Path(__file__).parents[1]
BLOCK = 0.02
"""Seconds of a turn at least: so short that what else the machine does mostly meets both turns of a round."""

SIZES = {"robust_tabu": (10, 16, 32), "lagrange": (10, 16), "exact": (6, 8), "exhaustive": (6,), "lap": (16,)}
"""At which each kind is measured."""

Arrays = dict[str, numpy.ndarray]


def serve(checkout: Path, caller: Connection) -> None:
    """A version's process: takes problems with settings and gives solutions, takes numbers and solves that often."""
    torch.set_num_threads(1)
    gmssl = importlib.import_module("gmssl")
    if not Path(str(gmssl.__file__)).is_relative_to(checkout):
        raise SystemExit(f"{checkout} holds no gmssl/__init__.py; give a checkout, as `git worktree` makes.")
    while True:
        arrays, settings = caller.recv()
        problem, solver = gmssl.Problem.build(*map(torch.from_numpy, arrays)), _solver(checkout, settings)
        solution = gmssl.solve(problem, solver)
        caller.send(
            {
                "matching": solution.matching.vertex.numpy(),
                "matching of edges": solution.matching.edge.numpy(),
                "energy": solution.energy.numpy(),
                "bound": numpy.zeros(0) if solution.bound is None else solution.bound.numpy(),
                "converged": solution.converged.numpy(),
            }
        )
        while repeats := caller.recv():
            start = perf_counter()
            for _ in range(repeats):
                gmssl.solve(problem, solver)
            caller.send((perf_counter() - start) / repeats)


def _solver(checkout: Path, settings: dict[str, object]) -> object:
    """A solver of `kind` and settings. The registry would look at the installed version's kinds only."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    own = dict(settings)
    module, name = project["entry-points"]["gmssl.solvers"][str(own.pop("kind"))].split(":")
    return getattr(importlib.import_module(module), name)(**own)


def started(checkout: Path) -> Connection:
    """To the process of a checkout, in which its gmssl is the first that is found."""
    ours, theirs = get_context("spawn").Pipe()
    sys.path.insert(0, str(checkout))  # which the process begins with
    try:
        get_context("spawn").Process(target=serve, args=(checkout, theirs), daemon=True).start()
    finally:
        sys.path.pop(0)
    theirs.close()
    return ours


def cases(only: list[str]) -> Iterator[tuple[int, dict[str, object]]]:
    """Sizes and settings."""
    from gmssl.benchmarking.solvers.contestants import PRESETS

    for kind in only:
        for n in SIZES[kind]:
            for preset in PRESETS[kind][n] if kind == "robust_tabu" else [None]:
                yield n, {"kind": kind, **(preset.settings if preset else {})}


def drawn(n: int, graphs: int, edges: bool) -> tuple[numpy.ndarray, ...]:
    """Arguments of `Problem.build`."""
    from gmssl.testing.generators import paired_embeddings

    problem = paired_embeddings(graphs, n, noise=1, gumbel=0.3, seed=n)
    costs, topology, most = problem.costs, problem.topology, None if edges else 0
    tensors = costs.vertex, topology.left[:, :most], topology.right[:, :most], costs.edge[:, :most, :most]
    return tuple(x.contiguous().numpy() for x in tensors)


def unlike(before: Arrays, today: Arrays) -> str:
    """What two solutions do not share to the last bit, and bounds by how much; empty if they share everything."""
    names = [name for name in before if not numpy.array_equal(before[name], today[name])]
    if "bound" not in names:
        return ", ".join(names)
    lower = (before["bound"] - today["bound"]) / numpy.abs(before["bound"])
    found = f"bound lower by {lower.min():.0e} to {lower.max():.0e}"
    return ", ".join(found if name == "bound" else name for name in names)


@dataclass(frozen=True)
class Times:
    """Seconds of one solve, by rounds, of the other version and of this one."""

    before: list[float]
    today: list[float]

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of before / today within a round."""
        ratios = [before / today for before, today in zip(self.before, self.today, strict=True)]
        lower, middle, upper = statistics.quantiles(ratios, n=4, method="inclusive")
        return lower, middle, upper


def timed(versions: tuple[Connection, Connection], rounds: int) -> Times:
    """Both versions in turns, on the problem that they were given last."""
    repeats = ceil(BLOCK / min(_turn(version, 1) for version in versions))
    found: list[list[float]] = [[], []]
    for number in range(rounds):
        for which in (0, 1)[:: 1 - 2 * (number % 2)]:
            found[which].append(_turn(versions[which], repeats))
    return Times(*found)


def _turn(version: Connection, repeats: int) -> float:
    version.send(repeats)
    return float(version.recv())


def main() -> None:
    """Compare, print the table; the exit code is 1 if an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a folder with another version, such as a worktree of git")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--instances", type=int, default=32, help="of a batch; a quarter of them at n = 32")
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    versions = started(asked.checkout.resolve()), started(ROOT.resolve())
    table, other = Table("n", "solver", "same", "before, ms", "ratio", "middle half", "of the least"), False
    for n, settings in cases(asked.only):
        arrays = drawn(n, asked.instances if n < 32 else max(1, asked.instances // 4), settings["kind"] != "lap")
        for version in versions:
            version.send((arrays, settings))
        difference = unlike(*(version.recv() for version in versions))
        times = timed(versions, asked.rounds)
        for version in versions:
            version.send(0)
        lower, middle, upper = times.ratios
        label = " ".join(str(value) for value in settings.values())
        before = f"{1000 * statistics.median(times.before):.2f}"
        ratios = f"{middle:.3f}", f"{lower:.3f} to {upper:.3f}", f"{min(times.before) / min(times.today):.3f}"
        table.add_row(str(n), label, difference or "yes", before, *ratios)
        other |= bool(difference)
    Console(width=120).print(table)
    sys.exit(other)


if __name__ == "__main__":
    main()
