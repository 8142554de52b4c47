"""`evaluate`: what a run's encoder is worth, beside the references it must beat."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from rich.console import Console

from gmssl.errors import DataError
from gmssl.evaluation.classifiers import FITS
from gmssl.evaluation.folds import split
from gmssl.evaluation.loading import Look, Sample, load
from gmssl.evaluation.pixels import SIDE
from gmssl.evaluation.progress import Stages
from gmssl.evaluation.protocols import Judgement, Protocol, cross_validate, hold_out
from gmssl.evaluation.references import References
from gmssl.evaluation.report import Counts, Leaks, Reference, Report
from gmssl.evaluation.runs import run_recipe, trained, untrained
from gmssl.evaluation.selection import open_source
from gmssl.interfaces.data import Data, Images
from gmssl.interfaces.registry import part_of
from gmssl.system.exclusions import read_exclusions, read_leaks
from gmssl.system.files import replacing

Labelled: TypeAlias = Images | Data | Mapping[str, object] | str | os.PathLike[str]
"""Labelled images, given as `Images`, as a part of the slot `data`, as a mapping of its `kind` and settings, or as the
path of a folder or CSV manifest."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """An encoder to be judged, `[B,K,H,W] -> (map, pooled [B,C])`; `key` identifies its weights, None if nothing
    does."""

    name: str
    meaning: str
    encoder: torch.nn.Module
    key: object = None


@dataclass(frozen=True)
class Audited:
    """Fingerprints of the pixels of training images to do without, and of test images that count as leaks."""

    excluded: frozenset[str] = frozenset()
    leaks: frozenset[str] = frozenset()


def evaluate(
    run: str | os.PathLike[str],
    *,
    train: Labelled | None = None,
    test: Labelled | None = None,
    folds: int = 5,
    neighbours: int = 20,
    seed: int = 0,
    name: str | None = None,
    workers: int = 0,
    device: torch.device | None = None,
    references: str | os.PathLike[str] | None = None,
    exclude: str | os.PathLike[str] | None = None,
    leaks: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Report:
    """Judge a run's encoder, the untrained one and raw pixels by kNN and a linear probe, all by the same protocol.

    The report is also written to `RUN/evaluation/<name>.json`. Progress is shown on standard error, or in the notebook.

    Args:
        run: the run folder, or what `gmssl.train` returned.
        train: labelled images; default: those of the recipe's probe, else those the run was trained on.
        test: labelled test images; without them, the training images are cross-validated.
        folds: number of folds of the cross-validation; not used with a test set.
        neighbours: k of the kNN classifier.
        seed: seed of the folds and the inner splits.
        name: name of the JSON file; default: `cross_validation` or `test`.
        workers: number of loader processes.
        device: where the encoders run; default: the GPU if there is one.
        references: folder in which judgements of untrained encoders and raw pixels are kept, so that runs share them.
        exclude: `exclude.csv` of `gmssl data audit`; classifiers are not fitted to the images it lists.
        leaks: `pairs.csv` of `gmssl data audit`; the test images in it count as leaks.
        quiet: show no progress.

    Raises:
        TrainingError: there is no run folder, it has no weights, or their features are not finite.
        RecipeError: a recipe that this version does not understand, or an unknown kind or setting of a mapping.
        DataError: there are no labels, one class only, fewer patients than folds, nothing readable or unknown test
            labels, or the report cannot be written.
    """
    run = Path(run)
    recipe = run_recipe(run)
    encoder, source = trained(run, recipe)
    fresh, words = untrained(recipe)
    key = recipe.encoder.model_dump(mode="json"), recipe.seed, words
    encoders = (Candidate("trained", f"weights of {source}", encoder), Candidate("untrained", words, fresh, key))
    own = recipe.probe.data if recipe.probe else recipe.data
    images, held = _images(own if train is None else train), None if test is None else _images(test)
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    look = Look(recipe.views, recipe.encoder.in_channels, recipe.views.sizes[0], workers, device)
    kept, audited = None if references is None else Path(references), _audited(exclude, leaks)
    protocol = {"folds": folds, "neighbours": neighbours, "seed": seed}
    stages = Stages(None if quiet else Console(stderr=True))
    report = compare(encoders, look, images, held, **protocol, run=str(run), kept=kept, stages=stages, audited=audited)
    _write(report, run / "evaluation", name or ("cross_validation" if test is None else "test"))
    return report


def compare(
    encoders: Sequence[Candidate],
    look: Look,
    train: Images,
    test: Images | None = None,
    *,
    folds: int = 5,
    neighbours: int = 20,
    seed: int = 0,
    run: str = "",
    kept: Path | None = None,
    stages: Stages | None = None,
    audited: Audited | None = None,
) -> Report:
    """Judge any encoders, and raw pixels, as `evaluate` does; judgements of those with a key may be `kept`."""
    stages, audited = stages or Stages(), audited or Audited()
    pixels = f"grey {SIDE}×{SIDE} thumbnails"
    with stages.stage("read", len(train), "images") as advance:
        known = load(train, test is not None, look.workers, advance=advance, excluded=audited.excluded)
    protocol = Protocol(known.classes, neighbours, folds if test is None else None, seed)
    held = None
    if test is not None:
        with stages.stage("read the test set", len(test), "images") as advance:
            held = load(test, copies=True, workers=look.workers, classes=known.classes, advance=advance)
    leaked = None if held is None else _leaked(known, held, audited.leaks)
    judge = _judge_of(known, held, leaked, protocol, folds, stages)
    decisive: list[object] = [_fingerprint(known), held and _fingerprint(held), asdict(protocol), torch.__version__]
    if audited.leaks and leaked is not None:
        decisive.append(leaked.nonzero()[:, 0].tolist())
    store = References(kept, decisive)

    def reference(candidate: Candidate) -> Reference:
        images = len(known.images) + (0 if held is None else len(held.images))
        with stages.stage(f"{candidate.name}: features", images, "images") as advance:
            tested = None if held is None else look.features(candidate.encoder, held.images, advance)
            features = look.features(candidate.encoder, known.images, advance)
        scores = judge(candidate.name, features, tested)
        return Reference(candidate.name, candidate.meaning, features.shape[1], scores)

    def thumbnails() -> Reference:
        tested = None if held is None else held.thumbnails
        return Reference("pixels", pixels, known.thumbnails.shape[1], judge("pixels", known.thumbnails, tested))

    references = [
        reference(c) if c.key is None else store.get([c.key, look.key], partial(reference, c)) for c in encoders
    ]
    references.append(store.get(pixels, thumbnails))
    if held is None or leaked is None:
        return Report(run, look.size, protocol, _counts(known), None, None, tuple(references))
    removed, both = int(leaked.sum()), len(known.patients & held.patients)
    leaks = Leaks(removed, held.counts(~leaked), both, removed - int(_leaked(known, held).sum()))
    return Report(run, look.size, protocol, _counts(known), _counts(held), leaks, tuple(references))


def _audited(exclude: str | os.PathLike[str] | None, leaks: str | os.PathLike[str] | None) -> Audited:
    return Audited(
        frozenset() if exclude is None else read_exclusions(Path(exclude)).pixels,
        frozenset() if leaks is None else read_leaks(Path(leaks)),
    )


def _images(given: Labelled) -> Images:
    if isinstance(given, str | os.PathLike):
        return open_source(Path(given))
    data = part_of("data", given) if isinstance(given, Mapping) else given
    return data.images() if isinstance(data, Data) else data


def _leaked(known: Sample, held: Sample, audited: frozenset[str] = frozenset()) -> torch.Tensor:
    """Which test images are pixel-identical to a training image, or to one that an audit has found, `[M]` bool."""
    trained_on = {*known.digests, *audited}
    return torch.tensor([digest in trained_on for digest in held.digests])


def _judge_of(
    known: Sample,
    held: Sample | None,
    leaked: torch.Tensor | None,
    protocol: Protocol,
    folds: int,
    stages: Stages,
) -> Callable[[str, torch.Tensor, torch.Tensor | None], Judgement]:
    """Apply the protocol to named features of the training images and of the test images, if there are some."""
    if held is None:
        fold_of = torch.from_numpy(split(known.known.labels.tolist(), known.known.patients, folds, protocol.seed))
    else:
        labels = held.known.labels

    def judge(name: str, features: torch.Tensor, tested: torch.Tensor | None) -> Judgement:
        with stages.stage(f"{name}: kNN and linear probe", FITS * (folds if held is None else 1), "fits") as advance:
            if tested is None or leaked is None:
                return cross_validate(features, known.known, fold_of, protocol, advance)
            return hold_out(features, known.known, tested, labels, leaked, protocol, advance)

    return judge


def _counts(sample: Sample) -> Counts:
    chosen = sample.selection
    return Counts(
        sample.listed,
        len(chosen.indices),
        sample.counts(),
        len(sample.patients),
        chosen.unlabelled,
        chosen.unreadable,
        chosen.duplicates,
        chosen.contradictory,
        _fingerprint(sample),
        sample.excluded,
    )


def _fingerprint(sample: Sample) -> str:
    rows = zip(sample.digests, sample.known.labels.tolist(), sample.known.patients, strict=True)
    named = [(digest, sample.classes[label], patient) for digest, label, patient in rows]
    return hashlib.sha256(json.dumps(named).encode("utf-8")).hexdigest()[:16]


def _write(report: Report, folder: Path, name: str) -> None:
    try:
        if folder.exists() and not folder.is_dir():
            raise DataError(f"the report cannot be written: {folder} is a file. Remove or rename it.")
        folder.mkdir(exist_ok=True)
        with replacing(folder / f"{name}.json") as file:  # a report that exists is whole
            file.write((report.to_json() + "\n").encode("utf-8"))
    except OSError as error:
        raise DataError(
            f"the report {folder / name}.json cannot be written: {error.strerror}. Make {folder} writable."
        ) from None
