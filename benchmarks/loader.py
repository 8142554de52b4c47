"""Loader throughput: geometry on uint8 in the worker, against a torchvision pipeline that does everything there.

    python benchmarks/loader.py [--data FOLDER]

Two 224×224 views of 256-pixel JPEGs, one worker process, batches of 64. gmssl leaves colour and blur to the training
device (`Views.finish`); the peer crops, flips, jitters, blurs and normalises each image in its worker, as torchvision's
documentation recommends (v2 on uint8 tensors). Rates are medians of repeats by the clock on the wall; the CPU rate is
the worker's work in one thread of this process by CPU time, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.transforms import v2

from gmssl.interfaces.data import Images
from gmssl.parts.data.dataset import ViewDataset, collate
from gmssl.parts.data.folder import Folder
from gmssl.parts.data.phantoms import Phantoms
from gmssl.parts.views.multi_crop import MultiCrop
from gmssl.system.files import write_whole

FILES, SIDE, BATCH = 300, 256, 64
VIEWS = MultiCrop()
RESULTS = Path(__file__).parent / "results" / "loader.json"


class TorchvisionViews(Dataset[list[torch.Tensor]]):
    """The same views, probabilities and strengths, made one by one."""

    def __init__(self, images: Images, channels: int) -> None:
        self.images, self.channels = images, channels
        jitter = v2.ColorJitter(VIEWS.brightness, VIEWS.contrast, VIEWS.saturation, VIEWS.hue)
        mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) if channels == 3 else ([0.449], [0.226])
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(VIEWS.large_size, scale=VIEWS.large_scale, ratio=VIEWS.aspect, antialias=True),
                v2.RandomHorizontalFlip(VIEWS.flip),
                v2.RandomApply([jitter], VIEWS.jitter),
                v2.RandomApply([v2.GaussianBlur(13, VIEWS.sigma)], VIEWS.blur),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(mean, std),
            ]
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, key: int) -> list[torch.Tensor]:
        """Two views."""
        image = v2.functional.to_image(self.images.load(key % len(self.images), self.channels))
        return [self.transform(image), self.transform(image)]


def jpegs(folder: Path, source: Path | None, mode: str) -> Images:
    """Files of 256×256 pixels, quality 90; colour ones are tinted, so that their chroma planes are not empty."""
    images = Folder(root=source).images() if source else Phantoms(number=FILES, size=SIDE).images()
    folder.mkdir()
    for number, index in enumerate(range(0, len(images), max(len(images) // FILES, 1))[:FILES]):
        image = images.load(index, 1).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if mode == "colour":
            image = ImageOps.colorize(image, "black", "white", mid=(150 + index % 100, 90, 160))
        image.save(folder / f"{number:03d}.jpg", quality=90)
    return Folder(root=folder).images()


def rate(data: Dataset[object], number: int, collate_fn: object) -> float:
    """Images a second that arrive here from one worker, after the first batch."""
    keys = range(number + BATCH)
    loader = DataLoader(data, BATCH, sampler=keys, num_workers=1, collate_fn=collate_fn)  # type: ignore[arg-type]
    batches = iter(loader)
    next(batches)
    start = time.perf_counter()
    received = sum(1 for _ in batches) * BATCH
    return received / (time.perf_counter() - start)


def cpu_rate(data: Dataset[object], number: int, collate_fn: Callable[[list[object]], object]) -> float:
    """Images a second of CPU time in one thread, collation included."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    start = time.process_time()
    for first in range(0, number, BATCH):
        collate_fn([data[key] for key in range(first, first + BATCH)])
    seconds = time.process_time() - start
    torch.set_num_threads(threads)
    return number / seconds


def measure(images: Images, channels: int, repeats: int) -> dict[str, float]:
    """Medians over repeats, ours and the peer's in turn."""
    ours, peer = ViewDataset(images, VIEWS, channels, seed=0), TorchvisionViews(images, channels)
    rates = [
        (
            rate(ours, 1536, collate),
            rate(peer, 128, None),
            cpu_rate(ours, 768, collate),
            cpu_rate(peer, 64, default_collate),
        )
        for _ in range(repeats)
    ]
    wall, peer_wall, cpu, peer_cpu = (statistics.median(column) for column in zip(*rates, strict=True))
    return {
        "images_per_s": wall,
        "torchvision_images_per_s": peer_wall,
        "ratio": wall / peer_wall,
        "images_per_cpu_s": cpu,
        "torchvision_images_per_cpu_s": peer_cpu,
        "cpu_ratio": cpu / peer_cpu,
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(__file__).parents[2] / "shared" / "data" / "brain_tumor_mri" / "train"
    parser.add_argument("--data", type=Path, default=shared if shared.is_dir() else None, help="else phantoms")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        grey = jpegs(Path(scratch) / "grey", arguments.data, "grey")
        colour = jpegs(Path(scratch) / "colour", arguments.data, "colour")
        for name, images, channels in (
            ("grey files, 1 channel", grey, 1),
            ("grey files, 3 channels", grey, 3),
            ("colour files, 3 channels", colour, 3),
        ):
            rows[name] = measure(images, channels, arguments.repeats)
    table = Table(title=f"2×224 views of {SIDE}-px JPEGs, one worker, medians of {arguments.repeats}")
    for column in ("", "images/s", "torchvision", "ratio", "images/CPU s", "torchvision", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.0f}" if value > 100 else f"{value:.1f}" for value in row.values()))
    console = Console()
    console.print(table)
    load = os.getloadavg()[0]
    console.print(
        f"{os.cpu_count()} cores, load {load:.1f}, torch {torch.__version__}; to reach: 900 images/s, ratio 15"
    )
    RESULTS.parent.mkdir(exist_ok=True)
    write_whole(
        RESULTS, json.dumps({"rows": rows, "cores": os.cpu_count(), "load": load, "torch": torch.__version__}, indent=2)
    )


if __name__ == "__main__":
    main()
