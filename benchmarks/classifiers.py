"""Folds, kNN and linear probe: gmssl.evaluation beside what else could do it, on the same features.

    python benchmarks/classifiers.py RUN...

Features are raw pixels, those of the runs' encoders and of the first run's untrained one, of the project's three
classification sets. Compared are

- kNN: scikit-learn's in float64 (ours) with the same in float32 and with torch's topk in float32;
- the linear probe: scikit-learn's L-BFGS with tolerance 1e-6 (ours) with tolerances 1e-4 and 1e-8 and with torch's
  L-BFGS along the principal axes;
- folds: ours with StratifiedGroupKFold, or StratifiedKFold where no patient is named.

Both sides run in one process, in turn, with one thread. Prints tables; writes benchmarks/results/classifiers.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import sklearn
import torch
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from gmssl.evaluation import classifiers
from gmssl.evaluation.classifiers import STRENGTHS, TEMPERATURE, fit, fit_with_chosen_strength, knn_votes
from gmssl.evaluation.folds import split
from gmssl.evaluation.loading import Look, Sample, load
from gmssl.evaluation.runs import run_recipe, trained, untrained
from gmssl.evaluation.selection import open_source
from gmssl.system.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
FOLDS = 5
Votes = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int], torch.Tensor]
"""(training features, labels, features, classes) → votes or probabilities `[M,K]`."""


def samples(data: Path) -> dict[str, Sample]:
    """The unique labelled images of the three sets."""
    sources = {
        "brain_tumor_mri": open_source(data / "brain_tumor_mri" / "index.csv", {"split": "train"}),
        "breast_ultrasound": open_source(data / "breast_ultrasound" / "index.csv"),
        "chest_xray": open_source(data / "chest_xray" / "index.csv"),
    }
    return {name: load(images, copies=False, workers=0) for name, images in sources.items()}


def features(sample: Sample, runs: list[Path]) -> dict[str, torch.Tensor]:
    """`[N,D]` by what made them."""
    found = {"pixels": sample.thumbnails}
    for run in runs:
        recipe = run_recipe(run)
        look = Look(recipe.views, recipe.encoder.in_channels, recipe.views.sizes[0], 0, torch.device("cpu"))
        if run == runs[0]:
            found["untrained"] = look.features(untrained(recipe)[0], sample.images)
        found[run.name] = look.features(trained(run, recipe)[0], sample.images)
    return found


def knn_float32(x: torch.Tensor, y: torch.Tensor, queries: torch.Tensor, classes: int) -> torch.Tensor:
    """scikit-learn's, in the precision of the features."""
    model = KNeighborsClassifier(20, weights=lambda d: np.exp(-d / TEMPERATURE), algorithm="brute", metric="cosine")
    model.fit(x.numpy(), y.numpy())
    votes = torch.zeros(len(queries), classes)
    votes[:, model.classes_] = torch.from_numpy(model.predict_proba(queries.numpy())).float()
    return votes


def knn_torch(x: torch.Tensor, y: torch.Tensor, queries: torch.Tensor, classes: int) -> torch.Tensor:
    """torch's topk of one product, in the precision of the features."""
    normalise = torch.nn.functional.normalize
    similarity, nearest = (normalise(queries, dim=1) @ normalise(x, dim=1).T).topk(20, dim=1)
    votes = torch.zeros(len(queries), classes)
    return votes.scatter_add_(1, y[nearest], (similarity / TEMPERATURE).softmax(dim=1))


def linear_torch(x: torch.Tensor, y: torch.Tensor, classes: int, strength: float) -> classifiers.LinearProbe:
    """torch's L-BFGS along the principal axes of standardised features, each scaled by its curvature at W = 0."""
    plain, n = x.double(), len(x)
    mean, deviation = plain.mean(dim=0), plain.std(dim=0, correction=0)
    deviation = torch.where(deviation > 1e-9 * plain.abs().max(), deviation, 1.0)
    standard, decay = (plain - mean) / deviation, 1 / (strength * n)
    variance, axes = torch.linalg.eigh(standard.T @ standard / n)
    axes, scale = axes[:, -n:], (variance[-n:].clamp(min=0) / classes + decay).rsqrt()
    rotated = standard @ (axes * scale)
    weights = torch.zeros(rotated.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weights, bias],
        max_iter=2000,
        tolerance_grad=1e-6,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def value() -> float:
        search.zero_grad()
        loss = torch.nn.functional.cross_entropy(rotated @ weights + bias, y)
        loss = loss + decay * ((scale[:, None] * weights) ** 2).sum() / 2
        loss.backward()
        return loss.item()

    search.step(value)
    found = (axes * scale) @ weights.detach()
    return classifiers.LinearProbe(mean, deviation, found, bias.detach(), strength)


def library_folds(labels: np.ndarray, patients: tuple[str | None, ...], seed: int) -> np.ndarray:
    """scikit-learn's folds, `[N]`; ValueError where it refuses."""
    groups = [f"image {i}" if patient is None else patient for i, patient in enumerate(patients)]
    grouped = any(patient is not None for patient in patients)
    kind = StratifiedGroupKFold if grouped else StratifiedKFold
    fold_of = np.empty(len(labels), dtype=np.int64)
    parts = kind(FOLDS, shuffle=True, random_state=seed).split(
        np.zeros(len(labels)), labels, groups if grouped else None
    )
    for number, (_, held) in enumerate(parts):
        fold_of[held] = number
    return fold_of


def compare_knn(sample: Sample, x: torch.Tensor, fold_of: torch.Tensor) -> dict[str, object]:
    """Right answers, answers other than ours, and seconds a fold."""
    y, classes = sample.known.labels, len(sample.classes)
    sides: dict[str, Votes] = {
        "ours": lambda a, b, c, k: knn_votes(a, b, c, 20, k),
        "float32": knn_float32,
        "torch": knn_torch,
    }
    guesses = {name: torch.empty(len(y), dtype=torch.long) for name in sides}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for fold in range(FOLDS):
        held = fold_of == fold
        for name, side in sides.items():
            start = time.perf_counter()
            guesses[name][held] = side(x[~held], y[~held], x[held], classes).argmax(dim=1)
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {
            "right": int((guess == y).sum()),
            "other": int((guess != guesses["ours"]).sum()),
            "seconds": statistics.median(seconds[name]),
        }
        for name, guess in guesses.items()
    }


def compare_linear(sample: Sample, x: torch.Tensor, fold_of: torch.Tensor, folds: int) -> dict[str, object]:
    """The same of the linear probe with chosen C, and the largest difference between probabilities."""
    y, classes = sample.known.labels, len(sample.classes)
    sides = {"ours": (fit, 1e-6), "1e-4": (fit, 1e-4), "1e-8": (fit, 1e-8), "torch": (linear_torch, 0.0)}
    found: dict[str, dict[str, float]] = {n: {"right": 0, "other": 0, "probability": 0, "same_C": 1} for n in sides}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for fold in range(folds):
        held = fold_of == fold
        known = sample.known.where(~held)
        first, chosen = torch.zeros(0), 0.0
        for name, (fitted, tolerance) in sides.items():
            start = time.perf_counter()
            with patch.object(classifiers, "fit", fitted), patch.object(classifiers, "_GRADIENT", tolerance):
                probe = fit_with_chosen_strength(x[~held], known.labels, known.patients, classes, 0)
            shares = probe.log_probabilities(x[held]).exp()
            seconds[name].append(time.perf_counter() - start)
            if name == "ours":
                first, chosen = shares, probe.strength
            row = found[name]
            row["right"] += int((shares.argmax(dim=1) == y[held]).sum())
            row["other"] += int((shares.argmax(dim=1) != first.argmax(dim=1)).sum())
            row["probability"] = max(row["probability"], float((shares - first).abs().max()))
            row["same_C"] = min(row["same_C"], float(probe.strength == chosen))
    return {name: row | {"seconds": statistics.median(seconds[name])} for name, row in found.items()}


def compare_folds(sample: Sample, x: torch.Tensor) -> dict[str, object]:
    """kNN accuracy by ours and by scikit-learn's folds of five seeds, and how far shares of classes are from equal."""
    y, classes = sample.known.labels, len(sample.classes)
    found: dict[str, object] = {}
    sides = {
        "ours": lambda seed: split(y.tolist(), sample.known.patients, FOLDS, seed),
        "scikit-learn": lambda seed: library_folds(y.numpy(), sample.known.patients, seed),
    }
    for name, side in sides.items():
        accuracies, uneven, seconds = [], 0.0, []
        for seed in range(5):
            start = time.perf_counter()
            fold_of = torch.from_numpy(side(seed))
            seconds.append(time.perf_counter() - start)
            right = 0
            for fold in range(FOLDS):
                held = fold_of == fold
                votes = knn_torch(x[~held], y[~held], x[held], classes)
                right += int((votes.argmax(dim=1) == y[held]).sum())
                for label in range(classes):
                    share = float((held & (y == label)).sum() / (y == label).sum())
                    uneven = max(uneven, abs(share - 1 / FOLDS))
            accuracies.append(right / len(y))
        found[name] = {"accuracies": accuracies, "uneven": uneven, "seconds": statistics.median(seconds)}
    return found


def few_images(draws: int = 2000) -> dict[str, int]:
    """Of random small sets that ours divide: those that scikit-learn refuses, and whose classes it spreads worse."""
    random, found = np.random.default_rng(0), {"drawn": 0, "refused": 0, "worse": 0, "better": 0}
    for seed in range(draws):
        labels = random.integers(0, 4, random.integers(12, 61))
        patients = tuple(None if random.random() < 0.1 else str(random.integers(8)) for _ in labels)
        if len(set(patients) - {None}) + patients.count(None) < FOLDS:
            continue
        found["drawn"] += 1
        own = _unevenness(split(labels.tolist(), patients, FOLDS, seed), labels)
        try:
            other = _unevenness(library_folds(labels, patients, seed), labels)
        except ValueError:
            found["refused"] += 1
            continue
        found["worse"] += other > own + 1e-9
        found["better"] += other < own - 1e-9
    return found


def _unevenness(fold_of: np.ndarray, labels: np.ndarray) -> float:
    """Σ over classes and folds of the squared share of the class in the fold."""
    counts = [np.bincount(fold_of[labels == c], minlength=FOLDS) for c in np.unique(labels)]
    return float(sum(((count / count.sum()) ** 2).sum() for count in counts))


def main() -> None:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument(
        "--linear-folds", type=int, default=2, help="how many of the five the linear probes are fitted to"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "classifiers.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "The least populated class")
    console = Console(width=140, highlight=False)
    shown = Table("images", "features", "classifier", "side", "right", "other", "max Δp", "same C", "s", "ratio")
    rows, folds = [], {}
    with threadpool_limits(1):
        for name, sample in samples(given.data).items():
            fold_of = torch.from_numpy(split(sample.known.labels.tolist(), sample.known.patients, FOLDS, 0))
            for kind, x in features(sample, given.runs).items():
                found = {
                    "knn": compare_knn(sample, x, fold_of),
                    "linear": compare_linear(sample, x, fold_of, given.linear_folds),
                }
                rows.append({"images": name, "number": len(x), "features": kind, "width": x.shape[1], **found})
                for classifier, sides in found.items():
                    for side, row in sides.items():
                        _add(shown, (name, kind, classifier, side), row, sides["ours"])
                if kind == "pixels":
                    folds[name] = compare_folds(sample, x)
        folds["small random sets"] = few_images()
    console.print(shown)
    console.print_json(json.dumps(folds))
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "strengths": STRENGTHS,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(given.out, json.dumps({"machine": machine, "classifiers": rows, "folds": folds}, indent=2) + "\n")
    console.print(f"written: {given.out}")


def _add(shown: Table, names: tuple[str, ...], row: dict, ours: dict) -> None:
    probability = f"{row['probability']:.1e}" if "probability" in row else ""
    same = "" if "same_C" not in row else "yes" if row["same_C"] else "no"
    ratio = row["seconds"] / ours["seconds"]
    cells = (row["right"], row["other"], probability, same, f"{row['seconds']:.3f}", f"{ratio:.2f}")
    shown.add_row(*names, *map(str, cells))


if __name__ == "__main__":
    main()
