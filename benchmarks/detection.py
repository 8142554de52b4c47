"""Detection on BCCD: the scores of a recipe for each of its encoders, and what a fit costs.

    python benchmarks/detection.py --set seeds=[0] --set training.epochs=8

Prints a row for each encoder: scores on the test images, seconds of wall clock and of processor for all its fits.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from gmssl.downstream.recipe import load_benchmark
from gmssl.downstream.running import Told, run_benchmark
from gmssl.downstream.tables import cell


def main() -> None:
    """Run the recipe for one encoder after another."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--recipe", default="recipes/downstream/bccd_faster_rcnn.yaml")
    asked.add_argument("--encoder", action="append", default=[], help="default: those of the recipe")
    asked.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change of the recipe")
    asked.add_argument("--out", type=Path, default=Path("runs/detection"), help="folder of the fits")
    asked.add_argument("--threads", type=int, default=1)
    given = asked.parse_args()
    torch.set_num_threads(given.threads)
    recipe = load_benchmark(given.recipe, given.set)
    for encoder in given.encoder or recipe.encoders:
        wall, processor = time.perf_counter(), time.process_time()
        alone = recipe.model_copy(update={"encoders": ()})
        (result,) = run_benchmark(alone, "bccd_faster_rcnn", [encoder], given.out, told)
        spent = f"{time.perf_counter() - wall:.0f} s, {time.process_time() - processor:.0f} s of processor"
        print(f"{encoder} ({spent}; {result.data.test} test images, seeds {list(result.seeds)})", flush=True)
        for metric, measured in result.scores.items():
            print(f"  {metric}: {cell(measured)}", flush=True)


def told(at: Told) -> None:
    """An epoch has ended."""
    print(f"  seed {at.seed}, epoch {at.epoch} of {at.epochs}", flush=True)


if __name__ == "__main__":
    main()
