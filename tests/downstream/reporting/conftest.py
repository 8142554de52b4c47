"""Results as `gmssl evaluate --json` writes them, of encoders whose skill is given, without any training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from gmssl.downstream.measures import Measured, measure
from gmssl.downstream.results import Cohort, Result, Subject, to_json
from gmssl.interfaces.registry import part
from gmssl.interfaces.task import Row, Scores

Rows = dict[int, list[Row]]
Make = Callable[..., Result]
Write = Callable[..., Path]

CLASSES = ("benign", "malignant", "normal")
CASES = 60
SOURCES = {"random": "random weights, seed 0", "ImageNet": "weights/imagenet.safetensors"}


def rows_of(skill: float, seeds: Sequence[int], cases: int, salt: int) -> Rows:
    """Predictions that are right about as often as the skill says; some cases are hard for every encoder."""
    truth = np.random.default_rng(1).integers(len(CLASSES), size=cases)
    hardness = np.random.default_rng(2).normal(0, 0.6, cases)
    found: Rows = {}
    for seed in seeds:
        generator = np.random.default_rng([salt, seed])
        logits = generator.normal(0, 1, (cases, len(CLASSES)))
        logits[np.arange(cases), truth] += 4 * (skill - 0.3) - hardness
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        found[seed] = [
            {"case": f"c{n:03d}", "truth": int(truth[n]), "probabilities": probabilities[n].tolist()}
            for n in range(cases)
        ]
    return found


def summarise(rows: Sequence[Row]) -> Scores:
    """Accuracy and mean recall, without the libraries of the task."""
    if not rows:
        return {"accuracy": None, "balanced_accuracy": None}
    truth = np.array([row["truth"] for row in rows])
    hits = np.array([row["probabilities"] for row in rows]).argmax(1) == truth
    recalls = [float(hits[truth == label].mean()) for label in np.unique(truth)]
    return {"accuracy": float(hits.mean()), "balanced_accuracy": float(np.mean(recalls))}


def write_fits(root: Path, rows: Rows, folds: int, patient: Mapping[str, str]) -> tuple[str, ...]:
    """A folder for each seed and fold, as trainings leave it."""
    fits = []
    for seed, found in rows.items():
        for fold in range(folds):
            folder = root / f"{seed}-{fold}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "rows.json").write_text(json.dumps({"rows": found[fold::folds], "history": []}))
            (folder / "fit.json").write_text(json.dumps({"seed": seed, "patients": patient}))
            fits.append(str(folder))
    return tuple(fits)


def measured(
    rows: Rows, indices: Sequence[int], patient: Mapping[str, str], observer: float | None
) -> dict[str, Measured]:
    """The scores of some cases, by the engine."""
    kept = {seed: [found[i] for i in indices] for seed, found in rows.items()}
    names = [str(row["case"]) for found in kept.values() for row in found]
    scores = measure(kept, {name: patient.get(name, name) for name in names}, summarise, 100)
    if observer is not None:
        scores["observer accuracy"] = Measured(observer, 0.0, None, {str(seed): observer for seed in rows})
    return scores


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A result whose rows lie in folders, as those of a training do."""

    def made(
        benchmark: str,
        encoder: str,
        skill: float,
        *,
        seeds: Sequence[int] = (0, 1, 2),
        of_patient: int = 2,
        folds: int = 1,
        sites: Mapping[str, Sequence[int]] | None = None,
        learnt: Sequence[str] = (),
        leaked: int = 0,
        observer: float | None = None,
        published: Sequence[dict[str, object]] = (),
    ) -> Result:
        task = part("task", "classification", size=32, metric="accuracy")
        salt = sum(map(ord, benchmark + encoder))
        rows = rows_of(skill, seeds, CASES, salt)
        patient = {f"c{n:03d}": f"p{n // of_patient}" for n in range(CASES)} if of_patient else {}
        named = {site: list(indices) for site, indices in (sites or {}).items()}
        counts = {site: len(indices) for site, indices in named.items()}
        facts = {"classes": dict.fromkeys(CLASSES, CASES)}
        data = Cohort(
            *(3 * CASES, len(set(patient.values())), 2.0 * CASES, CASES, counts, leaked, f"digest of {benchmark}"),
            facts,  # type: ignore[arg-type]
            dict.fromkeys(learnt, 2 * CASES),
        )
        return Result(
            benchmark,
            task.model_dump(mode="json"),
            "accuracy",
            Subject(encoder, SOURCES.get(encoder, f"runs/{encoder}"), f"f{salt:015d}", True),
            data,
            tuple(seeds),
            measured(rows, range(CASES), patient, observer),
            {site: measured(rows, indices, patient, observer) for site, indices in named.items()},
            measured(rows, range(leaked, CASES), patient, observer) if leaked else None,
            tuple(published),  # type: ignore[arg-type]
            write_fits(tmp_path / "fits" / benchmark / encoder.replace("/", "_"), rows, folds, patient),
            CLASSES,
            True,
            {"split": {"validation": 0.2}, "training": {"epochs": 3, "frozen": True}},
        )

    return made


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes results to a file, whose path it returns."""

    def written(name: str, *results: Result) -> Path:
        path = tmp_path / f"{name}.json"
        path.write_text(to_json(results), encoding="utf-8")
        return path

    return written


@pytest.fixture
def three(make: Make, write: Write) -> list[Path]:
    """Three benchmarks: one with leaks and published rows, one with sites and a second observer, a plain one."""
    published = [
        {
            "table": "classification",
            "data": "Brain",
            "metric": "accuracy",
            "method": m,
            "mean": v,
            "sd": s,
            "ours": None,
        }
        for m, v, s in (("R50 random", 61.5, 0.4), ("LVM-Med (R50)", 84.2, None))
    ]
    sites = {"north": range(0, 30), "south": range(30, 60)}
    skills = {"ours": 1.4, "ImageNet": 0.6, "random": 0.3}
    brain = [make("brain", name, skill, leaked=20, published=published) for name, skill in skills.items()]
    retina = [
        make("retina", name, skill, sites=sites, learnt=["north"], observer=0.93) for name, skill in skills.items()
    ]
    chest = [make("chest", name, skill, of_patient=0, folds=3) for name, skill in [*skills.items(), ("byol", 1.3)]]
    return [write("brain", *brain), write("retina", *retina), write("chest", *chest)]
