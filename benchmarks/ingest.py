"""Building a store: how much dearer it is than reading and encoding alone, and whether killing it changes a byte.

    python benchmarks/ingest.py FOLDER_OF_NIFTI [--slices 10000] [--rounds 3] [--kills 20] [--made FOLDER] [--out JSON]

start   wall and processor seconds of `gmssl data build` for one volume; byte code of all modules is written before
speed   slices/s with 1 and 2 processes on volumes made of those of the folder by resampling, and the ratio of the
        processor time of the build, its start included, to that of readers, windows and encoders in a loop: medians of
        rounds, in which builds and the loop take turns
memory  largest resident memory of a build with 1 process of a fifth of the volumes, and of all
kills   `kill -9` at random moments until the build of all volumes has been killed that often, with 1 and 2 processes:
        how many files of the store were done at each kill, and whether the store is that of a build in one go, byte for
        byte

`--made` keeps the volumes in a folder, or takes those that it holds already. JSON is written after each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import nibabel
import numpy
from scipy.ndimage import zoom

from gmssl.corpus.grey import encoded, resized, size_of, to_grey
from gmssl.corpus.recipe import Corpus, load_corpus
from gmssl.corpus.slices import cut
from gmssl.system.files import write_whole
from gmssl.system.machine import this_machine

RESULTS = Path(__file__).parent / "results" / "ingest.json"
CORPUS = """
root: {root}
sources:
  - {{name: volumes, path: ., reader: nifti, include: "{include}", modality: mri}}
"""


def write_volumes(source: Path, root: Path, slices: int) -> int:
    """Volumes of 256×256 pixels and about 100 slices, resampled from those of a folder; returns their number."""
    originals = [nibabel.load(path) for path in sorted(source.glob("*.nii.gz"))]
    generator, number = numpy.random.default_rng(0), -(-slices // 100)
    for k in range(number):
        original = originals[k % len(originals)]
        values = numpy.asarray(original.dataobj, dtype=numpy.float32)
        scale = [256 / values.shape[0], 256 / values.shape[1], 100 / values.shape[2]]
        made = zoom(values, scale, order=1) * generator.uniform(0.9, 1.1)
        nibabel.save(nibabel.Nifti1Image(made.astype(numpy.int16), original.affine), root / f"{k:04d}.nii.gz")
    return number


def corpus(root: Path, include: str, file: Path) -> Path:
    """Write the corpus of some of the volumes."""
    file.write_text(CORPUS.format(root=root, include=include), encoding="utf-8")
    return file


def started(file: Path, out: Path, jobs: int) -> subprocess.Popen[bytes]:
    """The command that builds a store, in a group of processes of its own."""
    command = [sys.executable, "-m", "gmssl", "data", "build", str(file), "--out", str(out), "--jobs", str(jobs)]
    # As on the machine of a user, modules are compiled at their first import and never again.
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=settings
    )


def build(file: Path, out: Path, jobs: int) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and largest resident megabytes of a build in a process of its own."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    process = started(file, out, jobs)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, "the build failed"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return perf_counter() - begin, spent, used.ru_maxrss / 1024


def alone(settings: Corpus) -> tuple[int, float]:
    """Slices, and processor seconds of readers, windows and encoders without a store."""
    (source,), done = settings.sources, 0
    root = settings.folder_of(source)
    names = sorted(path.name for path in root.glob("*.nii.gz"))
    begin = process_time()
    window, policy = settings.window_of(source), settings.slices_of(source)
    for acquisition in source.reader.listing(root, names).acquisitions:
        scan = source.reader.read(root, acquisition)
        bounds = window.bounds(scan, source.modality)
        for piece in cut(scan, policy):
            grey = to_grey(piece, bounds, scan.inverted, 8)
            encoded(resized(grey, size_of(grey.shape, piece.spacing, policy)))
            done += 1
    return done, process_time() - begin


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All files of a store."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def killed(file: Path, out: Path, jobs: int, kills: int, longest: float, whole: dict[str, bytes]) -> dict[str, Any]:
    """Kill a build so often at random moments, and let it end; one that ends before is compared, and begun anew."""
    generator, done, equal = random.Random(jobs), list[int](), list[bool]()
    while len(done) < kills or not equal:
        process = started(file, out, jobs)
        if len(done) < kills:
            time.sleep(generator.uniform(0, longest))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                done.append(len(list(out.glob("data-*.arrow"))))
                continue
        assert process.wait() == 0, "the build failed"
        equal.append(bytes_of(out) == whole)
        files = len(list(out.glob("data-*.arrow")))
        shutil.rmtree(out)
    return {"processes": jobs, "done_at_kills": done, "files": files, "builds": len(equal), "equal_bytes": all(equal)}


def speeds(file: Path, root: Path, rounds: int) -> tuple[dict[str, Any], dict[int, float]]:
    """Rounds of the loop and of builds, and the medians of their wall seconds; stores of the last round stay."""
    spent: list[float] = []
    found: dict[int, list[tuple[float, float, float]]] = {1: [], 2: []}
    for _ in range(rounds):
        slices, seconds = alone(load_corpus(file))
        spent.append(seconds)
        for jobs, rows in found.items():
            shutil.rmtree(root / f"store{jobs}", ignore_errors=True)
            rows.append(build(file, root / f"store{jobs}", jobs))
    walls = {jobs: statistics.median(wall for wall, _, _ in rows) for jobs, rows in found.items()}
    facts = {
        "slices": slices,
        "alone_seconds": spent,
        "processes": [
            {
                "number": jobs,
                "slices_per_second": slices / walls[jobs],
                "processor_seconds": [row[1] for row in rows],
                "ratio": statistics.median(row[1] / loop for row, loop in zip(rows, spent, strict=True)),
                "megabytes": max(row[2] for row in rows),
            }
            for jobs, rows in found.items()
        ],
        "equal_bytes": bytes_of(root / "store1") == bytes_of(root / "store2"),
    }
    return facts, walls


def measured(root: Path, volumes: Path, rounds: int, kills: int, tell: Callable[[str, Any], None]) -> None:
    """All stages, each told as soon as it is over."""
    names = sorted(path.name for path in volumes.glob("*.nii.gz"))
    every = corpus(volumes, "*.nii.gz", root / "every.yaml")
    first = corpus(volumes, names[0], root / "first.yaml")
    fifth = corpus(volumes, "*[05].nii.gz", root / "fifth.yaml")
    build(first, root / "compiled", 2)
    start, processor, _ = build(first, root / "first", 1)
    tell("start", {"wall_seconds": start, "processor_seconds": processor})
    facts, walls = speeds(every, root, rounds)
    tell("speed", facts)
    _, _, memory = build(fifth, root / "fifth", 1)
    volumes_of = {"all": len(names), "fifth": len(range(0, len(names), 5))}
    tell("memory", {"volumes": volumes_of, "all": facts["processes"][0]["megabytes"], "fifth": memory})
    whole, outcomes = bytes_of(root / "store1"), []
    for jobs in (1, 2) if kills else ():
        longest = start + 2 * walls[jobs] / kills
        outcomes.append(killed(every, root / f"killed{jobs}", jobs, kills, longest, whole))
        tell("kills", outcomes)


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--made", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    report: dict[str, Any] = {"command": "python benchmarks/ingest.py FOLDER", "machine": asdict(this_machine())}
    report["command"] += f" --slices {options.slices} --rounds {options.rounds} --kills {options.kills}"

    def tell(stage: str, facts: Any) -> None:
        print(f"{stage}: {json.dumps(facts)}", flush=True)
        report[stage] = facts
        write_whole(options.out, json.dumps(report, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as scratch:
        volumes = options.made or Path(scratch) / "volumes"
        volumes.mkdir(exist_ok=True)
        if not any(volumes.iterdir()):
            write_volumes(options.folder, volumes, options.slices)
        measured(Path(scratch), volumes, options.rounds, options.kills, tell)


if __name__ == "__main__":
    main()
