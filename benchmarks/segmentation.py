"""Nuclei by the task `segmentation`, and by a program written by hand with segmentation-models-pytorch.

    python benchmarks/segmentation.py [--epochs 5] [--seeds 0 1] [--data FOLDER]

Both learn from the fluorescence images of the training split at 128 pixels, with a U-Net on a ResNet-18 of the channels
16, 32, 64, 128, Adam at 1e-3, batches of 16, gradients clipped to 1, Dice and cross-entropy, flips, quarter turns and
tones. They keep the epoch that is best on the same fifth of the images, and are scored by the mean Dice of each test
image on its own grid. They share no code but the libraries' and the choice of the images. They run in turn, and seeds
exchange the order; time is that of training and test without imports, by the CPU time of this process, which other
programs on the machine disturb less than the clock on the wall. Results are written after each seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import monai.metrics.utils  # noqa: F401  imported here, so that its import is nobody's time
import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset

from gmssl.downstream.recipe import Benchmark, load_benchmark
from gmssl.downstream.running import run_benchmark
from gmssl.downstream.splitting import folds_of, parts_of
from gmssl.system.files import write_whole

RESULTS = Path(__file__).parent / "results" / "segmentation.json"
SIZE, BATCH = 128, 16


@dataclass(frozen=True)
class Outcome:
    """Dice of each test image by its name, and seconds of CPU and of the clock."""

    dice: dict[str, float]
    cpu: float
    wall: float


def timed(work: Callable[[], dict[str, float]]) -> Outcome:
    """Run something."""
    wall, cpu = time.perf_counter(), time.process_time()
    dice = work()
    return Outcome(dice, time.process_time() - cpu, time.perf_counter() - wall)


def by_task(benchmark: Benchmark, seed: int) -> dict[str, float]:
    """Dice of the test images by `gmssl evaluate`."""
    with tempfile.TemporaryDirectory() as folder:
        one = benchmark.model_copy(update={"seeds": (seed,)})
        run_benchmark(one, "nuclei_unet", (), Path(folder))
        file = next(Path(folder).glob("fits/*/rows.json"))
        rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    return {row["case"]: row["scores"]["foreground"]["dice"] for row in rows}


class Nuclei(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Images `[1,S,S]` in [-1, 1] and masks `[S,S]`, decoded once, changed anew each time."""

    def __init__(self, root: Path, names: list[str], changed: bool) -> None:
        self.images = [np.asarray(_image(root, name).resize((SIZE, SIZE), Image.BILINEAR)) for name in names]
        self.masks = [
            np.asarray(Image.fromarray(_mask(root, name)).resize((SIZE, SIZE), Image.BILINEAR)) > 127 for name in names
        ]
        self.changed = changed

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """One example."""
        image, mask = self.images[index].astype(np.float32), self.masks[index]
        if self.changed:
            turns, mirror, upside = (int(torch.randint(n, ())) for n in (4, 2, 2))
            image, mask = np.rot90(image, turns), np.rot90(mask, turns)
            image, mask = (image[:, ::-1], mask[:, ::-1]) if mirror else (image, mask)
            image, mask = (image[::-1], mask[::-1]) if upside else (image, mask)
            brightness, contrast = (float(torch.empty(()).uniform_(0.8, 1.2)) for _ in range(2))
            image = image * brightness
            image = np.clip((image - image.mean()) * contrast + image.mean(), 0, 255)
        pixels = torch.from_numpy(np.ascontiguousarray(image))[None] / 127.5 - 1
        return pixels, torch.from_numpy(np.ascontiguousarray(mask)).long()


def by_hand(root: Path, train: list[str], validation: list[str], test: list[str], epochs: int, seed: int):
    """Dice of the test images by a plain loop."""
    torch.manual_seed(seed)
    network = smp.Unet(
        "tu-resnet18",
        encoder_weights=None,
        in_channels=1,
        classes=2,
        decoder_channels=(64, 48, 32, 24, 16),
        channels=(16, 32, 64, 128),
    )
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    dice_loss = smp.losses.DiceLoss("multiclass", classes=[1])
    entropy = torch.nn.CrossEntropyLoss()
    loader = DataLoader(Nuclei(root, train, True), BATCH, shuffle=True, drop_last=len(train) % BATCH == 1)
    watched = Nuclei(root, validation, False)
    best, weights = -1.0, network.state_dict()
    for _ in range(epochs):
        network.train()
        for images, masks in loader:
            logits = network(images)
            loss = dice_loss(logits, masks) + entropy(logits, masks)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        mean = statistics.fmean(scores(network, root, validation, watched))
        if mean > best:
            best, weights = mean, {key: value.clone() for key, value in network.state_dict().items()}
    network.load_state_dict(weights)
    return dict(zip(test, scores(network, root, test, Nuclei(root, test, False)), strict=True))


@torch.no_grad()
def scores(network: torch.nn.Module, root: Path, names: list[str], data: Nuclei) -> list[float]:
    """Dice of each image on its own grid."""
    network.eval()
    found = []
    probabilities = [one for images, _ in DataLoader(data, BATCH) for one in network(images).softmax(dim=1)]
    for name, one in zip(names, probabilities, strict=True):
        truth = _mask(root, name) > 0
        wide = torch.nn.functional.interpolate(one[None], truth.shape, mode="bilinear")[0]
        ours = wide.argmax(dim=0).numpy().astype(bool)
        found.append(2 * int((ours & truth).sum()) / max(1, int(ours.sum() + truth.sum())))
    return found


def _image(root: Path, name: str) -> Image.Image:
    return Image.open(root / "images" / f"{name}.jpg").convert("L")


def _mask(root: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(root / "masks" / f"{name}.png").convert("L"))


def interval(values: np.ndarray, samples: int = 2000) -> tuple[float, float]:
    """95 % percentile bootstrap of a mean over images."""
    drawn = values[np.random.default_rng(0).integers(len(values), size=(samples, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def compared(task: list[Outcome], hand: list[Outcome], site_of: dict[str, str]) -> dict[str, object]:
    """Dice of both, means over seeds, with intervals over images, and ratios of times."""
    sites = {}
    for site in sorted(set(site_of.values())):
        names = [name for name in task[0].dice if site_of[name] == site]
        ours, theirs = (np.mean([[one.dice[n] for n in names] for one in side], axis=0) for side in (task, hand))
        sites[site] = {
            "images": len(names),
            "task": [float(ours.mean()), *interval(ours)],
            "by_hand": [float(theirs.mean()), *interval(theirs)],
            "difference": [float((ours - theirs).mean()), *interval(ours - theirs)],
        }
    ratios = {
        key: [getattr(a, key) / getattr(b, key) for a, b in zip(task, hand, strict=True)] for key in ("cpu", "wall")
    }
    seconds = {name: [one.cpu for one in side] for name, side in (("task", task), ("by_hand", hand))}
    return {
        "dice": sites,
        "cpu_seconds": seconds,
        "cpu_ratio": statistics.median(ratios["cpu"]),
        "cpu_ratios": ratios["cpu"],
        "wall_ratios": ratios["wall"],
    }


def show(found: dict[str, object]) -> None:
    """Print the table."""
    table = Table("test images", "n", "task", "by hand", "difference", title="Dice, mean over seeds [95 % over images]")
    for site, row in found["dice"].items():  # type: ignore[attr-defined]
        cells = [
            f"{m:.4f} [{low:.4f}, {high:.4f}]" for m, low, high in (row[k] for k in ("task", "by_hand", "difference"))
        ]
        table.add_row(site, str(row["images"]), *cells)
    console = Console()
    console.print(table)
    each = ", ".join(f"{ratio:.2f}" for ratio in found["cpu_ratios"])  # type: ignore[attr-defined]
    console.print(f"CPU time, task / by hand: {found['cpu_ratio']:.2f} (of each seed: {each})")


def main() -> None:
    """Run and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/nuclei"))
    given = parser.parse_args()
    overrides = [f"cases.path={given.data / 'index.csv'}", f"training.epochs={given.epochs}", "bootstrap=0"]
    benchmark = load_benchmark("nuclei_unet", [*overrides, "training.accelerator=cpu"])
    cases = benchmark.cases.cases()
    fold = folds_of(cases, benchmark.split, [case.name for case in cases])[0]
    with (given.data / "index.csv").open(encoding="utf-8", newline="") as file:
        modality = {row["name"]: row["modality"] for row in csv.DictReader(file)}
    test = [cases[i].name for i in fold.test]
    about = {"epochs": given.epochs, "size": SIZE, "batch": BATCH, "threads": torch.get_num_threads()}
    task, hand = list[Outcome](), list[Outcome]()
    for place, seed in enumerate(given.seeds):
        parts = parts_of(cases, fold, benchmark.split, seed)
        train, validation = ([cases[i].name for i in side] for side in (parts.train, parts.validation))

        def ours(seed: int = seed) -> dict[str, float]:
            return by_task(benchmark, seed)

        def theirs(seed: int = seed, train: list[str] = train, validation: list[str] = validation) -> dict[str, float]:
            return by_hand(given.data, train, validation, test, given.epochs, seed)

        if place % 2:
            hand.append(timed(theirs))
            task.append(timed(ours))
        else:
            task.append(timed(ours))
            hand.append(timed(theirs))
        found = compared(task, hand, {name: modality[name] for name in test})
        write_whole(RESULTS, json.dumps({**about, "seeds": given.seeds[: place + 1], **found}, indent=2) + "\n")
    show(found)


if __name__ == "__main__":
    main()
