"""Training step: share of matching, against contrastive peers, and memory.

    python benchmarks/step.py [share] [peer] [simclr] [lvm_med] [local] [memory] [--data FOLDER] [--steps 6]

share    stages of a step of a full-width ResNet-18 at 64 px, batch 256, LVM-Med objective; matching = graph, costs,
         match and the estimator's part of backward.
peer     images/s of recipes/brain_tumor_r18.yaml, and of the same encoder, projector, batch, views and loader with
         lightly's NTXentLoss; both loops take turns in this process. Bare loops: no Lightning, logging or checkpoints.
simclr   time of a step of recipes/simclr_r18.yaml over that of the same step by hand: timm, torch and lightly's
         NTXentLoss. Equal weights at the start, and equal losses, or the part fails.
lvm_med  time of a step of LVM-Med over that of SimCLR, both with a full-width ResNet-18 on grey images of 64 px,
         batch 256, equal views and optimiser: `as_published` has the objective of recipes/lvm_med_r50.yaml,
         `corrected` that of recipes/lvm_med_corrected_r18.yaml.
local    peak memory of both local terms, forward and backward, above the maps: 16, 32 and 64 graphs of 16 nodes,
         7×7 maps, 512 channels, each in a process of its own.
memory   peak memory of a step of recipes/lvm_med_r50.yaml at batches 16, 32 and 48 (1, 2 and 3 graphs), each in a
         process of its own.

A step of `simclr` and `lvm_med` is colour and blur, forward, backward and optimiser, on a batch that has been loaded.
Sides take turns, and ratios are medians over the rounds: what else the machine does meets them alike.
On a busy machine read the ratios of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import timm
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

import gmssl
from gmssl.interfaces.affinity import Side
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.objective import MatchingObjective, encode
from gmssl.parts.data.dataset import ViewDataset, collate
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.system.clock import StageClock
from gmssl.system.files import write_whole

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
        first, second = model.main.projector(pooled.flatten(0, 1)).chunk(2)
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


Step = Callable[[], torch.Tensor]
"""A whole training step; returns its loss."""


def take_turns(sides: dict[str, Step], rounds: int, against: str) -> dict[str, dict[str, float]]:
    """Median ms of a step, and medians of its ratios to the one of the same round, by the clock and by processor time.

    The first round is not counted.
    """
    clocks = {"ms": perf_counter, "CPU ms": process_time}
    spent: dict[str, list[list[float]]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, step in sides.items():
            start = [clock() for clock in clocks.values()]
            step()
            if turn:
                spent[name].append([clock() - since for clock, since in zip(clocks.values(), start, strict=True)])
    medians: dict[str, dict[str, float]] = {}
    for name, rows in spent.items():
        medians[name] = {}
        for number, clock in enumerate(clocks):
            ratios = (row[number] / other[number] for row, other in zip(rows, spent[against], strict=True))
            medians[name][clock] = 1000 * statistics.median(row[number] for row in rows)
            medians[name][clock.replace("ms", "ratio")] = statistics.median(ratios)
    return medians


def step_of(objective: MatchingObjective, raw: ViewBatch) -> Step:
    """The step of a recipe on one batch of views."""
    recipe = objective.settings
    optimiser = recipe.optimiser.build(objective.parameters())
    generator = torch.Generator().manual_seed(recipe.seed)

    def step() -> torch.Tensor:
        loss = objective(recipe.views.finish(raw), generator, StageClock()).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def by_hand(objective: MatchingObjective, raw: ViewBatch) -> Step:
    """SimCLR as one writes it without a framework, with the weights of an objective of recipes/simclr_r18.yaml."""
    from lightly.loss import NTXentLoss

    nn = torch.nn
    network = timm.create_model("resnet18", in_chans=1, num_classes=0, channels=(32, 64, 128, 256), output_stride=16)
    network = network.to(memory_format=torch.channels_last)
    network.load_state_dict(objective.encoder.network.state_dict())
    head = nn.Sequential(
        nn.Linear(256, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(inplace=True), nn.Linear(256, 128)
    )
    head.load_state_dict(objective.main.projector.state_dict())
    weights = [*network.parameters(), *head.parameters()]
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": 0.01},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser, contrast = torch.optim.AdamW(groups, lr=1e-3), NTXentLoss(temperature=0.1)
    views = objective.settings.views

    def step() -> torch.Tensor:
        images = torch.cat(views.finish(raw).images).contiguous(memory_format=torch.channels_last)
        first, second = head(network(images)).chunk(2)
        loss = contrast(first, second)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.detach()

    return step


def simclr(data: str, rounds: int) -> dict[str, dict[str, float]]:
    """The recipe against the same by hand."""
    recipe = load_recipe(ROOT / "recipes" / "simclr_r18.yaml", [f"data.root={data}"])
    objective, raw = MatchingObjective(recipe), next(batches(recipe, 0))
    hand, ours = by_hand(objective, raw), step_of(objective, raw)
    torch.testing.assert_close(ours(), hand(), rtol=1e-5, atol=1e-5)
    return take_turns({"by hand": hand, "simclr": ours}, rounds, "by hand")


def lvm_med(data: str, rounds: int) -> dict[str, dict[str, float]]:
    """Both protocols against SimCLR; heads, graphs and losses are those of the recipes, the rest is SimCLR's."""
    encoder = "{kind: timm, name: resnet18, in_channels: 1}"
    shared = load_recipe(
        ROOT / "recipes" / "simclr_r18.yaml", [f"data.root={data}", f"encoder={encoder}", "train.batch=256"]
    )
    equal = {name: getattr(shared, name) for name in ("data", "views", "encoder", "optimiser", "schedule", "train")}
    raw = next(batches(shared, 0))
    sides = {"simclr": step_of(MatchingObjective(shared), raw)}
    for name, file in (("as_published", "lvm_med_r50"), ("corrected", "lvm_med_corrected_r18")):
        folder = [f"data={{kind: folder, root: {data}}}", "balance=none"]
        recipe = load_recipe(ROOT / "recipes" / f"{file}.yaml", folder).model_copy(update=equal)
        sides[name] = step_of(MatchingObjective(recipe), raw)
    return take_turns(sides, rounds, "simclr")


def mebibytes(field: str) -> float:
    """Of this process: `VmRSS`, resident now, or `VmHWM`, its peak. (`ru_maxrss` starts at the peak of the parent.)"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


def one_local(graphs: int, kinds: list[str]) -> None:
    """Peak MiB of the local terms above the maps themselves, on standard output."""
    terms = [gmssl.part("affinity", "nearest_patches", by=kind, weight=0.2) for kind in kinds]

    def side(number: int) -> Side:
        maps = torch.randn(number, 16, 49, 512, requires_grad=True)
        valid = torch.ones(number, 49, dtype=torch.bool)
        edges = torch.zeros(number, 0, 2, dtype=torch.int64)
        return Side(maps.new_zeros(number, 16, 1), edges, maps, torch.rand(number, 16, 49, 2) * 224, valid)

    def both_passes(left: Side, right: Side) -> None:
        sum(term.weight * term.score(left, right) for term in terms).sum().backward()

    both_passes(side(1), side(1))  # what libraries load at their first call
    sides = side(graphs), side(graphs)
    before = mebibytes("VmRSS")
    both_passes(*sides)
    print(json.dumps(mebibytes("VmHWM") - before))


def in_a_process(*arguments: str) -> float:
    """The last line that this script prints in a fresh process."""
    # Blocks of a megabyte and more go back to the system when they are freed, so that the peak is what was in use.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def local() -> dict[str, float]:
    """Peak MiB of the two terms of the recipes for three batches, and of `by: both` for the largest."""
    peaks = {graphs: in_a_process("--one-local", str(graphs), "position", "feature") for graphs in (16, 32, 64)}
    rate = (peaks[64] - peaks[16]) / 48
    return {
        **{f"{graphs} graphs MiB": peak for graphs, peak in peaks.items()},
        "MiB per graph": rate,
        "off the line": (peaks[32] - peaks[16] - 16 * rate) / peaks[32],
        "64 graphs MiB, by: both": in_a_process("--one-local", "64", "both"),
    }


def one_step(batch: int) -> None:
    """Peak resident memory of this process in MiB after one step, on standard output."""
    recipe = load_recipe(
        ROOT / "recipes" / "lvm_med_r50.yaml",
        ["train.devices=1", f"train.batch={batch}", "encoder.pretrained=false", "train.precision=float32",
         "data={kind: phantoms, number: 64, size: 256}"],
    )  # fmt: skip
    step_of(MatchingObjective(recipe), next(batches(recipe, 0)))()
    print(json.dumps(mebibytes("VmHWM")))


def memory() -> dict[str, float]:
    """Peak MiB at three batches, and how far the middle one lies from the line through the others."""
    peaks = {batch: in_a_process("--one-step", str(batch)) for batch in (16, 32, 48)}
    line = (peaks[16] + peaks[48]) / 2
    return {
        **{f"batch {batch} MiB": peak for batch, peak in peaks.items()},
        "MiB per image": (peaks[48] - peaks[16]) / 32,
        "off the line": (peaks[32] - line) / line,
    }


def shares(data: str, steps: int) -> dict[str, Any]:
    """`share`, and what matching takes of the whole."""
    seconds = share(data, steps)
    total = sum(seconds.values())
    matching = sum(seconds[name] for name in MATCHING)
    return {
        "seconds": seconds,
        "matching": matching / total,
        "matching with backward of costs": (matching + seconds["costs backward"]) / total,
    }


def table(title: str, values: dict[str, Any]) -> Table:
    """Numbers by name; those in groups as `group: name`."""
    shown = Table("what", "value", title=title)
    for name, value in values.items():
        for inner, number in value.items() if isinstance(value, dict) else [("", value)]:
            shown.add_row(f"{name}: {inner}" if inner else name, f"{number:.4g}")
    return shown


def main() -> None:
    """Run the chosen parts, print tables, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part")
    parser.add_argument("--data", default=str(ROOT / "../shared/data/brain_tumor_mri/train"))
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--one-step", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one-local", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    data, steps = arguments.data, arguments.steps
    parts: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
        "share": ("step, ResNet-18, 64 px, batch 256", lambda: shares(data, steps)),
        "peer": ("images/s of brain_tumor_r18 against lightly's NTXentLoss", lambda: peer(data, steps)),
        "simclr": ("simclr_r18 against the same by hand", lambda: simclr(data, 3 * steps)),
        "lvm_med": ("LVM-Med against SimCLR, ResNet-18, 64 px, batch 256", lambda: lvm_med(data, steps)),
        "local": ("both local terms, 16 nodes, 7×7 maps, 512 channels", local),
        "memory": ("one lvm_med_r50 step on CPU, float32", memory),
    }
    if arguments.one_step:
        return one_step(arguments.one_step)
    if arguments.one_local:
        return one_local(int(arguments.one_local[0]), arguments.one_local[1:])
    unknown = set(arguments.parts) - set(parts)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; choose among {', '.join(parts)}")
    measured: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor(), "torch": torch.__version__}
    }
    for name in arguments.parts or parts:
        title, measure = parts[name]
        measured[name] = measure()
        Console().print(table(title, measured[name]))
    known = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    write_whole(RESULTS, json.dumps(known | measured, indent=2) + "\n")
    return None


if __name__ == "__main__":
    main()
