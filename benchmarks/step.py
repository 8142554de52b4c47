"""Training step: share of matching, throughput against a contrastive peer, memory of the big recipe.

    python benchmarks/step.py [share] [peer] [memory] [--data FOLDER] [--steps 6]

share   stages of a step of a full-width ResNet-18 at 64 px, batch 256, LVM-Med objective; matching = graph, costs,
        match and the estimator's part of backward.
peer    images/s of recipes/brain_tumor_r18.yaml, and of the same encoder, projector, batch, views and loader with
        lightly's NTXentLoss; both loops take turns in this process. Bare loops: no Lightning, logging or checkpoints.
memory  peak memory of a step of recipes/lvm_med_r50.yaml at batches 16, 32 and 48 (1, 2 and 3 graphs), each in a
        process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from gmssl.clock import StageClock
from gmssl.data.dataset import ViewDataset, collate
from gmssl.interfaces.views import ViewBatch
from gmssl.objective import MatchingObjective, encode
from gmssl.recipe import Recipe, load_recipe

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "step.json"
MATCHING = ("graph", "costs", "match", "estimator")


def batches(recipe: Recipe, workers: int) -> Iterator[ViewBatch]:
    """Endless batches, as training loads them."""
    dataset = ViewDataset(recipe.data.images(), recipe.views, recipe.encoder.in_channels, recipe.seed)
    loader = DataLoader(
        dataset,
        recipe.train.batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
    )
    while True:
        yield from loader


def share(data: str, steps: int) -> dict[str, float]:
    """Median seconds of each stage."""
    recipe = load_recipe(
        ROOT / "recipes" / "brain_tumor_r18.yaml",
        [f"data.root={data}", "train.batch=256", "encoder.channels=null", "encoder.output_stride=null"],
    )
    objective, clock = MatchingObjective(recipe), StageClock()
    optimiser = recipe.optimiser.build(objective.parameters())
    rows: list[dict[str, float]] = []
    source = batches(recipe, 0)
    for number in range(steps + 1):
        raw = next(source)
        clock.reset()
        with clock.stage("views"):
            batch = recipe.views.finish(raw)
        step = objective(batch, torch.Generator().manual_seed(number), clock)
        with clock.stage("backward"):
            optimiser.zero_grad()
            step.loss.backward()
        with clock.stage("optimiser"):
            optimiser.step()
        clock.seconds["estimator"] = step.solution.backward.seconds
        clock.seconds["backward"] -= step.solution.backward.seconds
        if number:  # the first step compiles the solver
            rows.append(dict(clock.seconds))
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    # Backward of the costs is matching as well, and cannot be told from that of the encoder inside one autograd pass:
    # it is measured by running backward from the costs to the nodes and maps alone, see `backward_of_costs`.
    medians["costs backward"] = statistics.median(backward_of_costs(recipe, objective, batch) for _ in range(steps))
    medians["backward"] -= medians["costs backward"]
    return medians


def backward_of_costs(recipe: Recipe, objective: MatchingObjective, batch: ViewBatch) -> float:
    """Seconds of backward with an encoder that is a constant: what remains is the objective's own part."""
    with torch.no_grad():
        maps, pooled = encode(objective.encoder, batch.images)

    class Constant(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.channels = objective.encoder.channels
            self.maps = torch.nn.Parameter(torch.cat(maps))
            self.pooled = torch.nn.Parameter(pooled.flatten(0, 1))

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.maps, self.pooled

    encoder, objective.encoder = objective.encoder, Constant()
    try:
        step = objective(batch, torch.Generator().manual_seed(0), StageClock())
        start = perf_counter()
        step.loss.backward()
        return perf_counter() - start - step.solution.backward.seconds
    finally:
        objective.encoder = encoder


def peer(data: str, steps: int) -> dict[str, float]:
    """Images/s of both loops, medians of rounds that take turns."""
    from lightly.loss import NTXentLoss

    recipe = load_recipe(ROOT / "recipes" / "brain_tumor_r18.yaml", [f"data.root={data}"])
    contrast = NTXentLoss(temperature=0.1)

    def ours(model: MatchingObjective, batch: ViewBatch) -> torch.Tensor:
        return model(batch, torch.Generator().manual_seed(0), StageClock()).loss

    def theirs(model: MatchingObjective, batch: ViewBatch) -> torch.Tensor:
        _, pooled = encode(model.encoder, batch.images)
        first, second = model.projector(pooled.flatten(0, 1)).chunk(2)
        return contrast(first, second)

    loops: dict[str, Callable[[MatchingObjective, ViewBatch], torch.Tensor]] = {"gmssl": ours, "NTXentLoss": theirs}
    state = {}
    for name in loops:
        model = MatchingObjective(recipe)
        state[name] = (model, recipe.optimiser.build(model.parameters()), batches(recipe, 1))
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(steps + 1):
        for name, loss_of in loops.items():
            model, optimiser, source = state[name]
            start = perf_counter()
            for _ in range(2):
                batch = recipe.views.finish(next(source))
                optimiser.zero_grad()
                loss_of(model, batch).backward()
                optimiser.step()
            if turn:
                seconds[name].append(perf_counter() - start)
    rates = {name: 2 * recipe.train.batch / statistics.median(values) for name, values in seconds.items()}
    ratios = [b / a for a, b in zip(seconds["gmssl"], seconds["NTXentLoss"], strict=True)]
    return {**rates, "ratio": statistics.median(ratios)}


def one_step(batch: int) -> None:
    """Peak resident memory of this process in MiB, before and after one step, on standard output."""
    recipe = load_recipe(
        ROOT / "recipes" / "lvm_med_r50.yaml",
        ["train.devices=1", f"train.batch={batch}", "encoder.pretrained=false", "train.precision=float32",
         "data={kind: phantoms, number: 64, size: 256}"],
    )  # fmt: skip
    objective = MatchingObjective(recipe)
    optimiser = recipe.optimiser.build(objective.parameters())
    source = batches(recipe, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    step = objective(recipe.views.finish(next(source)), torch.Generator().manual_seed(0), StageClock())
    step.loss.backward()
    optimiser.step()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"before": before, "after": after}))


def memory() -> dict[str, float]:
    """Peak MiB at three batches, and how far the middle one lies from the line through the others."""
    peaks = {}
    for batch in (16, 32, 48):
        done = subprocess.run(
            [sys.executable, __file__, "--one-step", str(batch)], check=True, capture_output=True, text=True
        )
        peaks[batch] = json.loads(done.stdout.splitlines()[-1])["after"]
    line = (peaks[16] + peaks[48]) / 2
    return {
        **{f"batch {batch} MiB": peak for batch, peak in peaks.items()},
        "MiB per image": (peaks[48] - peaks[16]) / 32,
        "off the line": (peaks[32] - line) / line,
    }


def main() -> None:
    """Run the chosen parts, print tables, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["share", "peer", "memory", []], default=[])
    parser.add_argument("--data", default=str(ROOT / "../shared/data/brain_tumor_mri/train"))
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--one-step", type=int)
    arguments = parser.parse_args()
    if arguments.one_step:
        one_step(arguments.one_step)
        return
    parts = arguments.parts or ["share", "peer", "memory"]
    console = Console()
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results["machine"] = {"cores": os.cpu_count(), "processor": platform.processor(), "torch": torch.__version__}
    if "share" in parts:
        seconds = share(arguments.data, arguments.steps)
        total = sum(seconds.values())
        matching = sum(seconds[name] for name in MATCHING)
        results["share"] = {
            "seconds": seconds,
            "matching": matching / total,
            "matching with backward of costs": (matching + seconds["costs backward"]) / total,
        }
        table = Table("stage", "ms", "share", title="step, ResNet-18, 64 px, batch 256")
        for name, value in [*seconds.items(), ("matching", matching), ("total", total)]:
            table.add_row(name, f"{1000 * value:.1f}", f"{value / total:.1%}")
        both = results["share"]["matching with backward of costs"]
        table.add_row("matching with backward of costs", f"{1000 * both * total:.1f}", f"{both:.1%}")
        console.print(table)
    if "peer" in parts:
        results["peer"] = peer(arguments.data, arguments.steps)
        table = Table("loop", "images/s", title="brain_tumor_r18 against lightly's NTXentLoss")
        for name, value in results["peer"].items():
            table.add_row(name, f"{value:.2f}")
        console.print(table)
    if "memory" in parts:
        results["memory"] = memory()
        table = Table("what", "value", title="one lvm_med_r50 step on CPU, float32")
        for name, value in results["memory"].items():
            table.add_row(name, f"{value:.3f}")
        console.print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
