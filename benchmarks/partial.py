"""`robust_tabu` where vertices stay unmatched: random partial, complete and rectangular problems, and `house`.

    python benchmarks/partial.py [--problems 400] [--seeds 3] [--sizes 6 8 10]

Prints how many answers of the default are wrong, as proven by `exact`, on problems with vertex and edge costs from a
normal distribution and two random edges a vertex; and how many of the 28 `house` problems are solved to their proven
optimum, at the default and at the presets of docs/solvers.md. Writes `results/partial.json`.

An answer is wrong if its energy exceeds the optimum by more than 1e-5 of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console

import gmssl
from gmssl.problem import Problem
from gmssl.problem.formats import read
from gmssl.system.files import write_whole
from gmssl.system.grid import Grid
from gmssl.system.machine import this_machine

HOUSE = next((Path(__file__).parents[2] / "shared" / "data" / "dd").glob("house*"), None)
THOROUGH = {"kind": "robust_tabu", "starts": 64, "iterations": 200, "agree": None}
"""The search of `exact`: the better its incumbent, the sooner the proof."""
PRESETS: dict[str, dict[str, int]] = {
    "default": {},
    "12×50, agree 4": {"starts": 12, "iterations": 50, "agree": 4},
    "32×75, agree 6": {"starts": 32, "iterations": 75, "agree": 6},
    "64×100, agree 12": {"starts": 64, "iterations": 100, "agree": 12},
    "8×500, agree 4": {"starts": 8, "iterations": 500, "agree": 4},
    "64×500, agree 8": {"starts": 64, "iterations": 500, "agree": 8},
}
"""For the 20 vertices that a partial problem of 10×10 has with its dummies, and so those of n = 16 and of n = 32."""


def drawn(graphs: int, n: int, m: int, partial: bool, seed: int) -> Problem:
    """Random problems; edges may be equal, or loops."""
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.randint(0, size, (graphs, 2 * size, 2), generator=generator) for size in (n, m))
    vertex = torch.randn(graphs, n, m, generator=generator)
    edge = torch.randn(graphs, 2 * n, 2 * m, generator=generator)
    return Problem.build(vertex, left, right, edge, partial=partial)


def wrong(problem: Problem, energy: torch.Tensor) -> int:
    """How many energies are above the optimum."""
    proof = gmssl.solve(problem, gmssl.part("solver", "exact", polish=THOROUGH))
    assert bool(proof.converged.all()), "exact proves all problems of these sizes"
    return int((energy - proof.energy > 1e-5 * proof.energy.abs()).sum())


def random_rows(problems: int, seeds: int, sizes: list[int]) -> list[tuple[str, ...]]:
    """Kind, size, and wrong answers for each seed."""
    rows = []
    for kind, partial, longer in (("complete", False, 1), ("rectangular", False, 2), ("partial", True, 1)):
        for n in sizes:
            counts = []
            for seed in range(seeds):
                problem = drawn(problems, longer * n, n, partial, seed)
                counts.append(wrong(problem, gmssl.solve(problem, "robust_tabu").energy))
            rows.append((kind, f"{longer * n}×{n}", *map(str, counts), f"{100 * sum(counts) / problems / seeds:.2f} %"))
    return rows


def house_rows(seeds: int) -> list[tuple[str, ...]]:
    """Preset, and how many are solved for each seed of the search."""
    assert HOUSE is not None
    instances = read(HOUSE)
    rows = []
    for name, settings in PRESETS.items():
        solved = []
        for seed in range(seeds):
            solver = gmssl.part("solver", "robust_tabu", seed=seed, **settings)
            missed = sum(wrong(x.problem, gmssl.solve(x.problem, solver).energy) for x in instances)
            solved.append(f"{len(instances) - missed} of {len(instances)}")
        rows.append((name, *solved))
    return rows


def main() -> None:
    """Print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[6, 8, 10])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "partial.json")
    given = parser.parse_args()
    seeds = [f"seed {seed}" for seed in range(given.seeds)]
    tables = {"random": (["problems", "n×m", *seeds, "wrong"], random_rows(given.problems, given.seeds, given.sizes))}
    if HOUSE is not None:
        tables["house"] = (["robust_tabu", *seeds], house_rows(given.seeds))
    for title, (headings, rows) in tables.items():
        Console(width=100).print(Grid(title, tuple(headings), rows).to_rich())
    report = {
        "command": " ".join(["python benchmarks/partial.py", *sys.argv[1:]]),
        "machine": asdict(this_machine()),
        "tables": {
            title: [dict(zip(headings, row, strict=True)) for row in rows] for title, (headings, rows) in tables.items()
        },
    }
    given.out.parent.mkdir(exist_ok=True)
    write_whole(given.out, json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
