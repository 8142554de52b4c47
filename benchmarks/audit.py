"""The leak audit: which copies it finds, what it mistakes for copies, and how long 10⁵ × 10⁴ images take.

    python benchmarks/audit.py ../shared/data            # recall and false alarms, on real images
    python benchmarks/audit.py ../shared/data --encoder RUN
    python benchmarks/audit.py --size 100000 10000       # seconds and peak memory, on images drawn in memory

The store of the first holds all images of five data sets; copies of some of each are looked for, and images of other
patients, which must not be found.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from gmssl.corpus.audit.search import audit
from gmssl.corpus.audit.sides import UNKNOWN, Names, Side, numbered, open_side
from gmssl.evaluation.encoders import load_encoder
from gmssl.evaluation.progress import Stages
from gmssl.interfaces.data import Record

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.corpus.audit.copies import CHANGES, drawn

SETS = ("brain_tumor_mri", "chest_xray", "breast_ultrasound", "nuclei", "bccd", "retina")
COPIED = 40
"""Images of each set of which copies are made."""


def listed(data: Path, name: str) -> list[tuple[str, str]]:
    """Paths and patients of a set; each image is its own patient where nobody knows better."""
    folder = data / name
    if name in ("nuclei", "bccd"):
        images = sorted((folder / {"nuclei": "images", "bccd": "JPEGImages"}[name]).iterdir())
        return [(str(path), path.stem) for path in images]
    rows = list(csv.DictReader((folder / "index.csv").read_text(encoding="utf-8").splitlines()))
    return [
        (str(folder / row["path"]), row.get("patient") or row["path"]) for row in rows if row.get("split") != "test"
    ]


def recall(data: Path, work: Path, encoder: str | None) -> None:
    """Copies of images of the store, and images of patients that the store does not have."""
    generator = np.random.default_rng(0)
    strangers, stored, names = [], [], {}
    for name in SETS:
        rows = listed(data, name)
        patients = sorted({patient for _, patient in rows})
        if name in ("chest_xray", "retina", "bccd", "nuclei"):  # elsewhere nobody knows whose an image is
            apart = set(generator.permutation(patients)[: len(patients) // 4].tolist())
            strangers += [(path, name) for path, patient in rows if patient in apart]
            rows = [row for row in rows if row[1] not in apart]
        stored += [(path, name) for path, _ in rows]
        for number in generator.permutation(len(rows))[:COPIED].tolist():
            original = Image.open(rows[number][0]).convert("L")
            for kind, change in CHANGES.items():
                path = work / f"{len(names)}.png"
                change(original, generator).save(path)
                names[path.name] = (kind, name, rows[number][0])
    _table(work / "store.csv", stored)
    _table(work / "copies.csv", [(name, facts[1]) for name, facts in names.items()])
    _table(work / "strangers.csv", strangers)
    sides = [open_side(work / f"{name}.csv") for name in ("store", "copies", "strangers")]
    start = time.perf_counter()
    done = audit(sides[0], sides[1:], work, Stages(), None if encoder is None else load_encoder(encoder), threshold=0.5)
    seconds = time.perf_counter() - start
    copies, others = done.comparisons
    digests = {r.name: d.decode() for r, d in zip(done.store.images.records, done.digests.tolist(), strict=True)}
    best: dict[str, float] = defaultdict(float)
    for pair in copies.pairs:
        test = copies.test.images.records[pair.test].name
        if pair.digest == digests[names[test][2]]:
            best[test] = max(best[test], pair.score)
    print(f"{len(sides[0])} stored images, {len(names)} copies, {len(strangers)} of other patients, {seconds:.0f} s")
    print(f"\n| copies | {' | '.join(SETS)} | all |\n|---|{'---:|' * (len(SETS) + 1)}")
    for kind in CHANGES:
        shares = []
        for one in (*SETS, None):
            asked = [name for name, facts in names.items() if facts[0] == kind and one in (facts[1], None)]
            shares.append(f"{100 * np.mean([best[name] >= 0.75 for name in asked]):.0f}")
        print(f"| {kind} | {' | '.join(shares)} |")
    print(f"\n| threshold | recall | {' | '.join(f'{name}' for name in ('chest_xray', 'retina', 'bccd', 'nuclei'))} |")
    counts = Counter(name for _, name in strangers)
    for threshold in (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9):
        alarms: dict[str, set[int]] = defaultdict(set)
        for pair in others.pairs:
            if pair.score >= threshold:
                alarms[str(others.test.dataset.of(pair.test))].add(pair.test)
        found = np.mean([best[name] >= threshold for name in names])
        told = [f"{len(alarms[n])} of {counts[n]}" for n in ("chest_xray", "retina", "bccd", "nuclei")]
        print(f"| {threshold:.2f} | {100 * found:.1f} | {' | '.join(told)} |")


def _table(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "dataset"])
        writer.writerows(rows)


class DrawnImages:
    """Mixtures of two textures, so that many have something in common; the last ones are copies of the first."""

    def __init__(self, count: int, first: int, copies: int) -> None:
        self.count, self.first, self.copies = count, first, copies
        self.textures = [np.asarray(drawn(seed), dtype=np.float32) for seed in range(512)]
        self.records = [Record(f"{first + number}") for number in range(count)]

    def __len__(self) -> int:
        return self.count

    def load(self, index: int, channels: int) -> Image.Image:
        """An image of 128×128; a copy is mirrored and darker."""
        copy = index >= self.count - self.copies
        number = index - (self.count - self.copies) if copy else self.first + index
        one, two = divmod(number, len(self.textures))
        mixed = 0.5 * self.textures[one % len(self.textures)] + 0.5 * np.roll(self.textures[two], one, axis=1)
        mixed = 0.7 * mixed[:, ::-1] if copy else mixed
        return Image.fromarray(mixed.astype(np.uint8)).convert("L" if channels == 1 else "RGB")


def side(name: str, images: DrawnImages) -> Side:
    """Images that nothing is known of."""
    nobody = Names((), np.full(len(images), UNKNOWN))
    return Side(name, images, numbered([name] * len(images)), nobody, nobody, nobody, "")


def size(stored: int, tests: int, work: Path) -> None:
    """Everything but the decoding of files: they are drawn, fingerprinted, compared and looked at closely."""
    from rich.console import Console

    sides = side("store", DrawnImages(stored, 0, 0)), side("test", DrawnImages(tests, stored, min(200, tests)))
    audit(side("warm", DrawnImages(300, 0, 0)), [side("up", DrawnImages(300, 0, 0))], work)  # compiles
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    done = audit(sides[0], [sides[1]], work, Stages(Console(stderr=True)))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    comparison = done.comparisons[0]
    copies = [tests - min(200, tests) + number for number in range(min(200, tests))]
    found = len({p.test for p in comparison.pairs if p.test in set(copies) and p.stored == p.test - copies[0]})
    wrong = len({p.test for p in comparison.pairs if p.test < copies[0]})
    print(f"{stored} × {tests}: {seconds:.0f} s, {peak:.0f} MB at most ({before:.0f} MB before)")
    print(f"{found} of {len(copies)} copies found, {wrong} of {tests - len(copies)} others")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--encoder")
    parser.add_argument("--size", type=int, nargs=2, metavar=("STORED", "TESTS"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.size:
            size(*asked.size, Path(folder))
        if asked.data:
            recall(asked.data.resolve(), Path(folder), asked.encoder)


if __name__ == "__main__":
    main()
