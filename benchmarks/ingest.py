"""Building a store: how much dearer it is than reading and encoding alone, and whether killing it changes a byte.

    python benchmarks/ingest.py FOLDER_OF_NIFTI [--slices 10000] [--kills 20]

speed   slices/s of `gmssl data build` with 1 and 2 processes on volumes made of those of the folder by resampling,
        and the ratio of the processor time of the build with 1 to that of readers, windows and encoders in a loop
memory  largest resident memory of a build with 1 process of a fifth of the volumes, and of all
kills   `kill -9` at random moments until the build of a fifth has been killed that often, with 1 and 2 processes:
        whether the store is that of a build in one go, byte for byte
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from time import perf_counter, process_time

import nibabel
import numpy
from scipy.ndimage import zoom

from gmssl.corpus.grey import encoded, is_empty, resized, size_of, to_grey
from gmssl.corpus.recipe import Corpus, load_corpus
from gmssl.corpus.slices import cut

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


def build(file: Path, out: Path, jobs: int) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and largest resident megabytes of a build in a process of its own."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    command = [sys.executable, "-m", "gmssl", "data", "build", str(file), "--out", str(out), "--jobs", str(jobs)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, "the build failed"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return perf_counter() - begin, spent, used.ru_maxrss / 1024


def alone(settings: Corpus) -> tuple[int, float]:
    """Slices, and processor seconds of readers, windows and encoders without a store."""
    (source,), begin, done = settings.sources, process_time(), 0
    root = settings.folder_of(source)
    names = sorted(path.name for path in root.glob("*.nii.gz"))
    window, policy = settings.window_of(source), settings.slices_of(source)
    for acquisition in source.reader.listing(root, names).acquisitions:
        scan = source.reader.read(root, acquisition)
        bounds = window.bounds(scan, source.modality)
        for piece in cut(scan, policy):
            grey = to_grey(piece, bounds, scan.inverted, 8)
            is_empty(grey, policy.filled)
            encoded(resized(grey, size_of(grey.shape, piece.spacing, policy)))
            done += 1
    return done, process_time() - begin


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All files of a store."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def killed(file: Path, out: Path, jobs: int, kills: int, longest: float) -> int:
    """Kill a build again and again, and let it end; returns how often it was killed."""
    generator, count = random.Random(jobs), 0
    command = [sys.executable, "-m", "gmssl", "data", "build", str(file), "--out", str(out), "--jobs", str(jobs)]
    while True:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if count < kills:
            time.sleep(generator.uniform(0, longest))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                count += 1
                continue
        assert process.wait() == 0, "the build failed"
        if count >= kills or not (out / ".build").exists():
            return count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "volumes").mkdir()
        number = write_volumes(options.folder, root / "volumes", options.slices)
        every = corpus(root / "volumes", "*.nii.gz", root / "every.yaml")
        fifth = corpus(root / "volumes", "00[0-9][05].nii.gz" if number > 50 else "*[05].nii.gz", root / "fifth.yaml")
        slices, spent = alone(load_corpus(every))
        for jobs in (1, 2):
            wall, processor, memory = build(every, root / f"store{jobs}", jobs)
            ratio = f", {processor / spent:.2f} × the time of reading and encoding" if jobs == 1 else ""
            print(f"speed: {jobs} process(es), {slices} slices, {slices / wall:.0f} slices/s{ratio}", flush=True)
            if jobs == 1:
                print(f"memory: {memory:.0f} MB with all {number} volumes", flush=True)
        wall, _, memory = build(fifth, root / "fifth", 1)
        print(f"memory: {memory:.0f} MB with a fifth of the volumes", flush=True)
        same = bytes_of(root / "store1") == bytes_of(root / "store2")
        print(f"bytes: 1 and 2 processes {'equal' if same else 'DIFFER'}", flush=True)
        whole = bytes_of(root / "fifth")
        for jobs in (1, 2):
            count = killed(fifth, root / f"killed{jobs}", jobs, options.kills, wall / 2)
            same = "equal" if bytes_of(root / f"killed{jobs}") == whole else "DIFFER"
            print(f"kills: {jobs} process(es), killed {count} times: bytes {same}", flush=True)


if __name__ == "__main__":
    main()
