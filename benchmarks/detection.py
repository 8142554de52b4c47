"""Detection on BCCD: the scores of a recipe for each of its encoders, and what a fit costs.

    python benchmarks/detection.py --set seeds=[0] --set training.epochs=6
    python benchmarks/detection.py --steps 5

Prints a row for each encoder: scores on the test images, seconds of wall clock and of processor for all its fits. With
--steps nothing is fitted: medians of the processor seconds of a training step and of the prediction of a batch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from gmssl.downstream.encoders import choose
from gmssl.downstream.recipe import Benchmark, load_benchmark
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
    asked.add_argument("--steps", type=int, default=0, help="time so many steps instead")
    given = asked.parse_args()
    torch.set_num_threads(given.threads)
    recipe = load_benchmark(given.recipe, given.set)
    for encoder in given.encoder or recipe.encoders:
        if given.steps:
            time_steps(recipe, encoder, given.steps)
            continue
        wall, processor = time.perf_counter(), time.process_time()
        alone = recipe.model_copy(update={"encoders": ()})
        (result,) = run_benchmark(alone, "bccd_faster_rcnn", [encoder], given.out, told)
        spent = f"{time.perf_counter() - wall:.0f} s, {time.process_time() - processor:.0f} s of processor"
        print(f"{encoder} ({spent}; {result.data.test} test images, seeds {list(result.seeds)})", flush=True)
        for metric, measured in result.scores.items():
            print(f"  {metric}: {cell(measured)}", flush=True)


def time_steps(recipe: Benchmark, encoder: str, steps: int) -> None:
    """Print what one step and one batch of predictions cost, the first ones left out."""
    size, batch = recipe.task.image_size, recipe.training.batch
    backbone = choose(encoder.partition("=")[2] or encoder, size, recipe.encoder).backbone(0, size, False)
    opened = recipe.task.open(recipe.cases.cases()[: 4 * batch], 3 if backbone is None else backbone.in_channels)
    network, examples = opened.network(backbone), opened.training(range(4 * batch), 0)
    learning, predicting = [], []
    for step in range(steps + 1):
        start = time.process_time()
        given = opened.collate([examples[step, index] for index in examples.epoch(step)[:batch]])
        network.loss(given).backward()
        between = time.process_time()
        network.predict(given)
        learning.append(between - start)
        predicting.append(time.process_time() - between)
    step, prediction = statistics.median(learning[1:]), statistics.median(predicting[1:])
    print(f"{encoder}: processor seconds of a batch of {batch} at {size} pixels, with one thread:", flush=True)
    print(f"  training step {step:.2f}, prediction {prediction:.2f}", flush=True)


def told(at: Told) -> None:
    """An epoch has ended."""
    print(f"  seed {at.seed}, epoch {at.epoch} of {at.epochs}", flush=True)


if __name__ == "__main__":
    main()
