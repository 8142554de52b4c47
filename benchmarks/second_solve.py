"""The second solve of I-MLE: how often a certificate makes it needless, and what that saves.

    python benchmarks/second_solve.py [--data FOLDER] [--steps 5] [--batches 3] [--rounds 15]

For recipes/lvm_med_r50.yaml (as published; encoder and views are those of brain_tumor_r18, 192 images a step as on one
of its devices) and recipes/brain_tumor_r18.yaml: the matching problems of real images before training and after some
steps of it, and of random features. For each λ

share         second solves that are skipped, over `batches` steps' graphs under `DRAWS` draws of the noise
ms a step     second solve of one step without and with the skip, and the certificate alone; the three take turns in
              this process, medians of CPU time on one thread

Everything else of a step is measured as well: what the skip saves is to be read against that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import torch
from rich.console import Console
from rich.table import Table
from step import ROOT, batches

from gmssl.objective.objective import MatchingObjective
from gmssl.parts.estimators.certificate import proves_optimal
from gmssl.parts.estimators.imle import Perturbation
from gmssl.parts.estimators.second_solve import solve_unless_certain
from gmssl.problem import BackwardRecord, Pairs, Problem, solve
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.system.clock import StageClock
from gmssl.system.files import write_whole

RESULTS = Path(__file__).parent / "results" / "second_solve.json"
STRENGTHS = (1, 5, 20, 80)
DRAWS = 8
AIM = 0.95


class RandomFeatures(torch.nn.Module):
    """An encoder whose maps are noise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps and their means, whatever the images."""
        maps = torch.randn(len(images), self.channels, 4, 4)
        return maps, maps.mean((2, 3))


def recipes(data: str) -> dict[str, Recipe]:
    """The matching of both as it stands in the files."""
    small = load_recipe(ROOT / "recipes" / "brain_tumor_r18.yaml", [f"data.root={data}"])
    published = load_recipe(
        ROOT / "recipes" / "lvm_med_r50.yaml",
        [f"data={{kind: folder, root: {data}}}", "balance=none", "train.devices=1", "train.batch=192",
         "train.precision=float32"],
    )  # fmt: skip
    encoder_and_views = {"encoder": small.encoder, "views": small.views}
    return {"lvm_med_r50": published.model_copy(update=encoder_and_views), "brain_tumor_r18": small}


def problems_of(recipe: Recipe, steps: int, count: int) -> tuple[dict[str, list[Problem]], float]:
    """Problems of `count` steps for each kind of features, and the median CPU seconds of a training step."""
    torch.manual_seed(recipe.seed)
    objective = MatchingObjective(recipe)
    optimiser = recipe.optimiser.build(objective.parameters())
    source, seconds, number = batches(recipe, 0), [], 0

    def problem(train: bool) -> Problem:
        nonlocal number
        number += 1
        raw = next(source)
        start = process_time()
        batch = recipe.views.finish(raw)
        with torch.set_grad_enabled(train):
            step = objective(batch, torch.Generator().manual_seed(number), StageClock())
        if train:
            optimiser.zero_grad()
            step.loss.backward()
            optimiser.step()
            seconds.append(process_time() - start)
        return step.problem.detach()

    found = {"untrained": [problem(False) for _ in range(count)]}
    for _ in range(steps):
        problem(True)
    found[f"after {steps} steps"] = [problem(False) for _ in range(count)]
    objective.encoder = RandomFeatures(int(objective.encoder.channels))
    found["random features"] = [problem(False) for _ in range(count)]
    return found, statistics.median(seconds)


def under_target_costs(recipe: Recipe, problem: Problem, strength: float, samples: int, seed: int) -> Problem:
    """What the second solve is about, for the Hamming loss, whose gradient is 1 − 2x*."""
    estimator = recipe.estimator
    core = Perturbation(recipe.solver, estimator.noise, estimator.edge_noise or estimator.noise, strength, samples)
    noisy = core.perturb(problem, torch.Generator().manual_seed(seed))
    shift = (1 - 2 * noisy.target) * strength
    return noisy.with_costs(Pairs(noisy.costs.vertex + shift, noisy.costs.edge))


def share(recipe: Recipe, problems: list[Problem], strength: float) -> dict[str, float]:
    """Of instances whose second solve is skipped."""
    proven = [
        proves_optimal(second, second.target)
        for seed, problem in enumerate(problems)
        for second in [under_target_costs(recipe, problem, strength, DRAWS, seed)]
    ]
    every = torch.cat(proven)
    return {"instances": len(every), "certified": float(every.double().mean())}


def times(recipe: Recipe, problems: list[Problem], strength: float, rounds: int) -> dict[str, float]:
    """Median CPU milliseconds for one step."""
    solver, samples = recipe.solver, recipe.estimator.samples
    seconds: dict[str, list[float]] = {"without": [], "with": [], "certificate": [], "first": []}

    def timed(name: str, work: Callable[[], object]) -> None:
        start = process_time()
        work()
        seconds[name].append(process_time() - start)

    for turn in range(rounds + 1):
        problem = problems[turn % len(problems)]
        second = under_target_costs(recipe, problem, strength, samples, turn)
        first = second.with_costs(second.costs - Pairs((1 - 2 * second.target) * strength, second.costs.edge * 0))
        timed("without", lambda second=second: solve(second, solver))
        timed("with", lambda second=second: solve_unless_certain(solver, second, BackwardRecord()))
        timed("certificate", lambda second=second: proves_optimal(second, second.target))
        timed("first", lambda first=first: solve(first, solver))
        if turn == 0:  # compiled
            seconds = {name: [] for name in seconds}
    ratio = statistics.median(a / b for a, b in zip(seconds["with"], seconds["without"], strict=True))
    return {**{f"{name} ms": 1000 * statistics.median(of) for name, of in seconds.items()}, "with / without": ratio}


def measure(name: str, recipe: Recipe, arguments: argparse.Namespace, console: Console) -> dict[str, object]:
    """One recipe; prints its table."""
    found, step_seconds = problems_of(recipe, arguments.steps, arguments.batches)
    graphs = len(found["untrained"][0].costs.vertex) * recipe.estimator.samples
    title = f"{name}: {graphs} second solves a step, which takes {1000 * step_seconds:.0f} ms"
    table = Table("features", "λ", "skipped", "without, ms", "with", "certificate", "with / without", title=title)
    rows = []
    for features, problems in found.items():
        for strength in STRENGTHS:
            row = {"features": features, "strength": strength, **share(recipe, problems, strength)}
            row |= times(recipe, problems, strength, arguments.rounds)
            rows.append(row)
            numbers = [f"{row[key]:.2f}" for key in ("without ms", "with ms", "certificate ms", "with / without")]
            table.add_row(features, str(strength), f"{row['certified']:.1%}", *numbers)
    console.print(table)
    own = [row["certified"] for row in rows if row["strength"] == recipe.estimator.strength]
    least = min(own)
    verdict = "reached" if least >= AIM else "NOT reached"
    console.print(f"{name}, λ = {recipe.estimator.strength:g}: {least:.1%} skipped or more, aim ≥ {AIM:.0%}: {verdict}")
    return {"second solves a step": graphs, "step ms": 1000 * step_seconds, "least share": least, "rows": rows}


def main() -> None:
    """Measure both recipes, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(ROOT / "../shared/data/brain_tumor_mri/train"))
    parser.add_argument("--steps", type=int, default=5, help="of training before the second measurement")
    parser.add_argument("--batches", type=int, default=3, help="whose problems are measured")
    parser.add_argument("--rounds", type=int, default=15, help="of timing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, object] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor(), "torch": torch.__version__},
        "command": shlex.join(["python", "benchmarks/second_solve.py", *sys.argv[1:]]),
    }
    for name, recipe in recipes(arguments.data).items():
        results[name] = measure(name, recipe, arguments, Console())
        write_whole(RESULTS, json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
