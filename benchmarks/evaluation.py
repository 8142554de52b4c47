"""What a run's encoder is worth on the project's two classification sets, beside the untrained encoder and raw pixels.

    python benchmarks/evaluation.py RUN             a run of recipes/brain_tumor_r18.yaml or another one
    python benchmarks/evaluation.py --untrained     the references alone, with the encoder of --recipe

Prints tables; writes benchmarks/results/evaluation.json. Takes about a minute on two cores at 64 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import torch
from rich.console import Console

from gmssl.evaluation.evaluating import Candidate, Report, compare, evaluate
from gmssl.evaluation.loading import Look
from gmssl.evaluation.rendering import render
from gmssl.evaluation.runs import untrained
from gmssl.evaluation.selection import open_source
from gmssl.interfaces.data import Images
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.recipe.statistics import resolved
from gmssl.system.files import write_whole

ROOT = Path(__file__).resolve().parents[1]


def references(recipe: Recipe, train: Images, test: Images | None, seed: int, workers: int) -> Report:
    """The report without a trained encoder."""
    encoder, words = untrained(recipe)
    look = Look(recipe.views, recipe.encoder.in_channels, recipe.views.sizes[0], workers, torch.device("cpu"))
    return compare([Candidate("untrained", words, encoder)], look, train, test, seed=seed)


def main() -> None:
    """Evaluate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="run folder")
    parser.add_argument("--untrained", action="store_true", help="without a run: references only")
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "brain_tumor_r18.yaml")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the folds")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "evaluation.json")
    given = parser.parse_args()
    if (given.run is None) != given.untrained:
        parser.error("give a run folder, or --untrained")

    brain = given.data / "brain_tumor_mri"
    tasks = {
        "brain_tumor_mri, 5-fold": (open_source(brain / "index.csv", {"split": "train"}), None),
        "brain_tumor_mri, test": (
            open_source(brain / "index.csv", {"split": "train"}),
            open_source(brain / "index.csv", {"split": "test"}),
        ),
        "chest_xray, 5-fold": (open_source(given.data / "chest_xray" / "index.csv"), None),
    }
    console = Console(width=140)
    results: dict[str, object] = {}
    for task, (train, test) in tasks.items():
        start = time.perf_counter()
        if given.run is None:
            report = references(resolved(load_recipe(given.recipe)), train, test, given.seed, given.workers)
        else:
            name = task.replace(", ", "_").replace("-", "_")
            report = evaluate(given.run, train=train, test=test, seed=given.seed, workers=given.workers, name=name)
        seconds = time.perf_counter() - start
        console.rule(f"{task}, {seconds:.0f} s")
        render(report, console)
        results[task] = {"seconds": round(seconds, 1), **json.loads(report.to_json())}
    machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(given.out, json.dumps({"machine": machine, "tasks": results}, indent=2) + "\n")
    console.print(f"written: {given.out}")


if __name__ == "__main__":
    main()
