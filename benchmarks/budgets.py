"""How far above the best known energies a search ends in a given time, on QAPLIB with its vertices renamed at random.

    python benchmarks/budgets.py [FOLDER] [--threads 1] [--seed 0] [--most 100]

FOLDER holds `.dat` files with the `.sln` of each beside it; by default the files of the tests. Debian's package
`r-cran-qap` has all of QAPLIB. Time by size: n ≤ 25 one second, n ≤ 60 five, n ≤ 100 twenty. Prints a line for each
file and the mean and the worst of each class, and writes them to `results/budgets.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np
import torch

import gmssl
from gmssl.errors import FormatError
from gmssl.problem import Problem
from gmssl.problem.formats.reading import read
from gmssl.system.files import write_whole
from gmssl.system.machine import this_machine

HERE = Path(__file__).parent
CLASSES = ((25, 1.0), (60, 5.0), (100, 20.0))


def renamed(problem: Problem, seed: int) -> Problem:
    """The same problem with both sides in random orders."""
    random, (n, m) = np.random.default_rng(seed), problem.costs.vertex.shape[1:]
    rows, columns = (torch.from_numpy(random.permutation(size)) for size in (n, m))
    topology = problem.topology
    return Problem.build(
        problem.costs.vertex[:, rows][:, :, columns],
        rows.argsort()[topology.left],
        columns.argsort()[topology.right],
        problem.costs.edge,
        allowed=topology.allowed[:, rows][:, :, columns],
    )


def measured(path: Path, seconds: float, threads: int, seed: int) -> dict[str, float | str | int] | None:
    """One line of the table; None for a file without a best known energy above 0, or that is not read."""
    try:
        instance = read(path)[0]
    except FormatError as error:
        print(f"{path.name}: {error}")
        return None
    if not instance.best_known:
        return None
    solver = gmssl.part("solver", "robust_tabu", seconds=seconds, threads=threads, seed=seed)
    began = perf_counter()
    energy = gmssl.solve(renamed(instance.problem, seed), solver).energy.item()
    return {
        "file": path.stem,
        "n": instance.problem.costs.vertex.shape[1],
        "energy": energy,
        "best known": instance.best_known,
        "above, %": 100 * (energy - instance.best_known) / abs(instance.best_known),
        "seconds": perf_counter() - began,
    }


def main() -> None:
    """Measure all files of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=HERE.parent.parent / "shared" / "data" / "qap")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=100, help="largest n")
    given = parser.parse_args()
    sizes = {path: int(path.read_text().split()[0]) for path in sorted(given.folder.glob("*.dat"))}
    summary, least = {}, 0
    for most, seconds in CLASSES:
        rows = []
        for path in (path for path, n in sizes.items() if least < n <= min(most, given.most)):
            row = measured(path, seconds, given.threads, given.seed)
            if row is not None:
                rows.append(row)
                print(
                    f"{row['file']:10} n {row['n']:4} {row['above, %']:8.3f} % above, {row['seconds']:6.2f} s",
                    flush=True,
                )
        if rows:
            above = [float(row["above, %"]) for row in rows]
            summary[f"n ≤ {most}, {seconds:g} s"] = {
                "files": len(rows),
                "at best known or below": sum(x <= 0 for x in above),
                "mean, %": mean(above),
                "worst, %": max(above),
                "rows": rows,
            }
            print(
                f"n ≤ {most}: {len(rows)} files, {sum(x <= 0 for x in above)} at best known, mean {mean(above):.3f} %, "
                f"worst {max(above):.3f} %",
                flush=True,
            )
        least = most
    document = {"machine": asdict(this_machine()), "threads": given.threads, "seed": given.seed, "classes": summary}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(HERE / "results" / "budgets.json", text + "\n")


if __name__ == "__main__":
    main()
