"""Building a store: how much dearer it is than reading and encoding alone, and whether killing it changes a byte.

    python benchmarks/ingest.py FOLDER_OF_NIFTI [--slices 10000] [--rounds 3] [--kills 20] [--made FOLDER]
        [--stages start speed memory kills] [--out JSON]

start   wall and processor seconds of `gmssl data build` for one volume; byte code of all modules is written before
speed   slices/s with 1 and 2 processes on volumes made of those of the folder by resampling, and the ratio of the
        processor time of the build, its start included, to that of readers, windows and encoders in a loop: medians of
        rounds, in which builds and the loop take turns
memory  largest resident memory of a build with 1 process of a fifth of the volumes, and of all
kills   `kill -9` at random moments until the build of all volumes has been killed that often, with 1 and 2 processes:
        how many files of the store were done at each kill, and whether the store is that of a build in one go, byte for
        byte

`--made` keeps the volumes in a folder, or takes those that it holds already. JSON is written after each stage; what it
holds of other stages stays.
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

STAGES = ("start", "speed", "memory", "kills")
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


def speeds(file: Path, root: Path, rounds: int) -> dict[str, Any]:
    """Rounds of the loop and of builds."""
    spent: list[float] = []
    found: dict[int, list[tuple[float, float, float]]] = {1: [], 2: []}
    for _ in range(rounds):
        slices, seconds = alone(load_corpus(file))
        spent.append(seconds)
        for jobs, rows in found.items():
            shutil.rmtree(root / f"store{jobs}", ignore_errors=True)
            rows.append(build(file, root / f"store{jobs}", jobs))
    return {
        "slices": slices,
        "alone_seconds": spent,
        "processes": [
            {
                "number": jobs,
                "slices_per_second": slices / statistics.median(row[0] for row in rows),
                "processor_seconds": [row[1] for row in rows],
                "ratio": statistics.median(row[1] / loop for row, loop in zip(rows, spent, strict=True)),
            }
            for jobs, rows in found.items()
        ],
        "equal_bytes": bytes_of(root / "store1") == bytes_of(root / "store2"),
    }


def started_up(first: Path, root: Path) -> dict[str, float]:
    """Seconds of a build of one volume, after one that compiles all modules."""
    build(first, root / "compiled", 2)
    wall, processor, _ = build(first, root / "first", 1)
    return {"wall_seconds": wall, "processor_seconds": processor}


def memories(every: Path, fifth: Path, root: Path) -> dict[str, float]:
    """Largest resident megabytes of builds with 1 process of all volumes and of a fifth of them."""
    found = {}
    for name, file in (("all", every), ("fifth", fifth)):
        _, _, found[name] = build(file, root / f"memory_{name}", 1)
    return found


def all_killed(every: Path, first: Path, root: Path, kills: int) -> list[dict[str, Any]]:
    """Builds with 1 and 2 processes that are killed, on average a `kills`-th of their time after they have started."""
    found = []
    for jobs in (1, 2):
        start, _, _ = build(first, root / f"started{jobs}", jobs)
        wall, _, _ = build(every, root / f"whole{jobs}", jobs)
        whole = bytes_of(root / f"whole{jobs}")
        found.append(killed(every, root / f"killed{jobs}", jobs, kills, 2 * (start + wall / kills), whole))
    return found


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--made", type=Path)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    report = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        volumes = options.made or root / "volumes"
        volumes.mkdir(exist_ok=True)
        if not any(volumes.iterdir()):
            write_volumes(options.folder, volumes, options.slices)
        every = corpus(volumes, "*.nii.gz", root / "every.yaml")
        first = corpus(volumes, min(path.name for path in volumes.iterdir()), root / "first.yaml")
        fifth = corpus(volumes, "*[05].nii.gz", root / "fifth.yaml")
        measures: dict[str, Callable[[], Any]] = {
            "start": lambda: started_up(first, root),
            "speed": lambda: speeds(every, root, options.rounds),
            "memory": lambda: memories(every, fifth, root),
            "kills": lambda: all_killed(every, first, root, options.kills),
        }
        for stage in options.stages:
            facts = measures[stage]()
            print(f"{stage}: {json.dumps(facts)}", flush=True)
            report |= {"machine": asdict(this_machine()), "volumes": len(list(volumes.iterdir())), stage: facts}
            write_whole(options.out, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
