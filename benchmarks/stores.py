"""Stores of Arrow files beside image files, an indexed tar and, where it is installed, litdata.

    python benchmarks/stores.py FOLDER [--rows 1300000] [--images 2000] [--workers 0 1 2 4 8] [--out RESULTS.json]

Takes the pictures of FOLDER and writes them as files, as a store, as one tar with an index, and as litdata chunks.
Prints

random   microseconds a random image, read and decoded, in one process: the median of rounds in turns, and the ratio
         to that of files
loader   images/s of a DataLoader without views, which resizes to 64 pixels, by the number of workers: medians
open     for a store of `--rows` rows of small images: seconds until the first image in a fresh process, and the
         megabytes that it takes beside the mapped file (anonymous pages, after − before)

Files are in the cache of the system, as they are after one epoch on a machine with room for them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset

from gmssl.corpus.build import build_store
from gmssl.corpus.recipe import corpus_of
from gmssl.corpus.schema import COLUMNS, arrow_schema
from gmssl.parts.data.dataset import PlainDataset
from gmssl.parts.data.folder import Folder
from gmssl.parts.data.store import HEADER, Store
from gmssl.system.images.reading import read_image_bytes
from gmssl.system.json_text import json_text
from gmssl.system.machine import this_machine

Load = Callable[[int], Image.Image]
ROUNDS = 7


class TarImages:
    """Images of a tar, found by an index of offsets."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.places = [(m.offset_data, m.size, m.name) for m in tar.getmembers() if m.isfile()]
        self.path = path
        self.file: int | None = None
        self.records = [name for *_, name in self.places]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "file": None}

    def __len__(self) -> int:
        return len(self.places)

    def load(self, index: int, channels: int) -> Image.Image:
        """The image."""
        if self.file is None:
            self.file = os.open(self.path, os.O_RDONLY)
        start, size, name = self.places[index]
        return read_image_bytes(os.pread(self.file, size, start), name, channels)  # forked workers share the position


class LitImages:
    """Images of litdata's chunks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, None
        self.count = len(self._opened())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "data": None}

    def _opened(self) -> Any:
        if self.data is None:
            from litdata import StreamingDataset

            self.data = StreamingDataset(str(self.folder))
        return self.data

    def __len__(self) -> int:
        return self.count

    def load(self, index: int, channels: int) -> Image.Image:
        """The image."""
        return read_image_bytes(self._opened()[index], str(index), channels)


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def write_all(root: Path, folder: Path) -> dict[str, Any]:
    """The same images in every form."""
    build_store(
        corpus_of({"sources": [{"name": "images", "path": str(folder), "reader": "pictures"}]}),
        root / "store",
        2,
        lambda _: None,
        lambda *_: None,
    )
    files = Folder(root=folder).images()
    with tarfile.open(root / "images.tar", "w") as tar:
        for path in files.paths:
            tar.add(path, arcname=Path(path).name)
    forms = {"files": files, "store": Store(path=root / "store").images(), "tar": TarImages(root / "images.tar")}
    try:
        from litdata import optimize
    except ImportError:
        return forms
    optimize(_content, files.paths, str(root / "lit"), num_workers=1, chunk_bytes="64MB")
    return {**forms, "litdata": LitImages(root / "lit")}


def random_reads(forms: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Forms in turns, so that what else the machine does meets all of them."""
    generator = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(ROUNDS):
        chosen = [generator.randrange(len(forms["files"])) for _ in range(count // ROUNDS)]
        for name, images in forms.items():
            images.load(chosen[0], 1)
            begin = perf_counter()
            for index in chosen:
                images.load(index, 1)
            times[name].append((perf_counter() - begin) / len(chosen) * 1e6)
    base = times["files"]
    return [
        {
            "form": name,
            "microseconds": statistics.median(found),
            "ratio": statistics.median(a / b for a, b in zip(found, base, strict=True)),
        }
        for name, found in times.items()
    ]


def loaders(forms: dict[str, Any], workers: list[int], count: int) -> list[dict[str, Any]]:
    """Images a second, by form and number of workers."""
    rows = []
    for number in workers:
        speeds: dict[str, list[float]] = {name: [] for name in forms}
        running = {name: _loader(images, number, count) for name, images in forms.items()}
        for _ in range(ROUNDS):
            for name, loader in running.items():
                begin = perf_counter()
                done = sum(len(batch) for batch in loader)
                speeds[name].append(done / (perf_counter() - begin))
        rows.append({"workers": number, **{name: statistics.median(found) for name, found in speeds.items()}})
    return rows


def _loader(images: Any, workers: int, count: int) -> DataLoader[Any]:
    data: Dataset[Any] = PlainDataset(images, 1, 64)
    chosen = random.Random(1).choices(range(len(images)), k=count)
    return DataLoader(data, batch_size=32, sampler=chosen, num_workers=workers, persistent_workers=workers > 0)


OPEN = """
import sys, json
from time import perf_counter
def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) / 1024
from pathlib import Path
import gmssl.parts.data.store as store
before, begin = anonymous(), perf_counter()
images = store.Store(path=Path(sys.argv[1])).images()
images.load(len(images) // 2, 1)
print(json.dumps({"seconds": perf_counter() - begin, "megabytes": anonymous() - before, "rows": len(images)}))
"""


def opened(root: Path, rows: int) -> dict[str, float]:
    """Open a store of so many rows in fresh processes: the medians."""
    _write_rows(root / "large", rows)
    found = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(root / "large")], capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout))
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def _write_rows(folder: Path, rows: int, batch: int = 512, files: int = 160) -> None:
    import pyarrow

    folder.mkdir()
    generator, pictures = numpy.random.default_rng(0), []
    for _ in range(64):
        file = io.BytesIO()
        Image.fromarray(generator.integers(0, 255, (6, 6), dtype=numpy.uint8)).resize((48, 48)).save(file, "JPEG")
        pictures.append(file.getvalue())
    schema, names, at = arrow_schema(), [], 0
    for number in range(files):
        names.append(f"data-{number:05d}-of-{files:05d}.arrow")
        end = rows * (number + 1) // files
        with (folder / names[-1]).open("wb") as file, pyarrow.ipc.new_stream(file, schema) as writer:
            while at < end:
                taken = range(at, min(at + batch, end))
                columns = {"image": [{"bytes": pictures[k % 64], "path": f"source/{k:016x}/00000"} for k in taken]}
                for name, kind in COLUMNS.items():
                    columns[name] = [f"{name}{k // 40:08x}" if kind == "string" else k % 100 for k in taken]
                writer.write_batch(pyarrow.RecordBatch.from_pydict(columns, schema))
                at = taken.stop
    header = {"version": 1, "files": names, "images": rows, "corpus": {"bits": 8}}
    (folder / HEADER).write_text(json.dumps(header), encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_300_000)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2, 4, 8])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        forms = write_all(root, options.folder)
        result = {
            "machine": vars(this_machine()),
            "random": random_reads(forms, options.images),
            "loader": loaders(forms, options.workers, options.images),
            "open": opened(root, options.rows),
        }
    console = Console()
    for title in ("random", "loader"):
        table = Table(*result[title][0], title=title)
        for row in result[title]:
            table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
        console.print(table)
    console.print("open", {key: round(value, 2) for key, value in result["open"].items()})
    if options.out:
        options.out.write_text(json_text(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
