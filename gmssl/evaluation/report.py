"""`evaluate`: what a run's encoder is worth, beside the references it must beat."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gmssl.errors import DataError
from gmssl.evaluation.features import extract
from gmssl.evaluation.pixels import SIDE, read
from gmssl.evaluation.protocols import Judgement, Known, Protocol, cross_validate, hold_out
from gmssl.evaluation.runs import run_recipe, trained, untrained
from gmssl.evaluation.selection import Selection, Subset, class_names, unique, usable
from gmssl.interfaces.data import Images
from gmssl.recipe import Recipe

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Sample:
    """One data set of an evaluation.

    Attributes:
        listed: images that the folder or manifest names.
        used: images that the scores rest on.
        classes: (label, used images) in alphabetical order.
        patients: distinct patients named for the used images.
        selection: why the others are not used.
    """

    listed: int
    used: int
    classes: tuple[tuple[str, int], ...]
    patients: int
    selection: Selection


@dataclass(frozen=True)
class Leaks:
    """What a test set shares with its training set.

    Attributes:
        removed: test images pixel-identical to a training image.
        left: (label, test images) without them.
        patients: patients named in both sets; their images are not removed.
    """

    removed: int
    left: tuple[tuple[str, int], ...]
    patients: int


@dataclass(frozen=True)
class Reference:
    """A kind of features and its scores; `meaning` says what they are, `channels` how many."""

    name: str
    meaning: str
    channels: int
    scores: Judgement


@dataclass(frozen=True)
class Report:
    """An evaluation of a run: the trained encoder, the untrained one, raw pixels.

    Attributes:
        run: the run folder.
        image_size: side of the squares that the encoders saw, in pixels.
        protocol: what all references have in common.
        train: the images that classifiers are fitted to (and, in cross-validation, judged on).
        test: the test images, or None in cross-validation.
        leaks: None in cross-validation.
        references: trained, untrained, pixels.
    """

    run: str
    image_size: int
    protocol: Protocol
    train: Sample
    test: Sample | None
    leaks: Leaks | None
    references: tuple[Reference, ...]

    def render(self, console: Console) -> None:
        """Show it as a table."""
        from gmssl.evaluation.rendering import render

        render(self, console)

    def to_json(self) -> str:
        """All numbers, with those of every fold; keys are the attributes' names."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A data set in memory: thumbnails of the kept images and who they are."""

    images: Images
    thumbnails: torch.Tensor
    digests: tuple[str | None, ...]
    sample: Sample
    classes: tuple[str, ...]

    @property
    def known(self) -> Known:
        labels = [self.classes.index(record.label or "") for record in self.images.records]
        return Known(torch.tensor(labels), tuple(record.patient for record in self.images.records))


@dataclass(frozen=True, eq=False)
class _Extractor:
    """How the encoders of a run see images."""

    recipe: Recipe
    batch: int
    workers: int
    device: torch.device

    def __call__(self, encoder: torch.nn.Module, images: Images) -> torch.Tensor:
        """Features `[N,C]` of N images that have been read before."""
        views, channels = self.recipe.views, self.recipe.encoder.in_channels
        encoder = encoder.to(self.device)
        features, readable = extract(encoder, images, views, channels, views.sizes[0], self.batch, self.workers)
        if len(readable) < len(images):
            lost = min(set(range(len(images))) - set(readable.tolist()))
            raise DataError(
                f"{images.records[lost].name} could be read in grey, and now in {channels} channels cannot. "
                "Repair or remove the file."
            )
        return features


def evaluate(
    run: Path,
    *,
    train: Images | None = None,
    test: Images | None = None,
    folds: int = 5,
    neighbours: int = 20,
    seed: int = 0,
    name: str | None = None,
    batch: int = 256,
    workers: int = 0,
    device: torch.device | None = None,
) -> Report:
    """Judge a run's encoder, the untrained one and raw pixels by kNN and a linear probe, all by the same protocol.

    Writes the report to `RUN/evaluation/<name>.json` too.

    Args:
        run: the run folder.
        train: labelled images; default: those of the recipe's probe, else those the run was trained on.
        test: labelled test images; without them, the training images are cross-validated.
        folds: of the cross-validation; not used with a test set.
        neighbours: k of the kNN classifier.
        seed: of folds and inner splits.
        name: of the JSON file; default: `cross_validation` or `test`.
        batch: images in one forward pass.
        workers: loader processes.
        device: where the encoders run; default: the GPU if there is one.

    Raises:
        TrainingError: no run folder, or no weights in it.
        RecipeError: a recipe that this version does not understand.
        DataError: no labels, a single class, fewer patients than folds, nothing readable, or unknown test labels.
    """
    recipe = run_recipe(run)
    encoder, source = trained(run, recipe)
    images = train if train is not None else (recipe.probe.data if recipe.probe else recipe.data).images()
    extractor = _Extractor(
        recipe, batch, workers, device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    )
    fresh, words = untrained(recipe)
    references = {"trained": (encoder, f"weights of {source}"), "untrained": (fresh, words)}
    make = _cross_validation if test is None else _test
    report = make(run, extractor, references, images, test, folds, neighbours, seed)
    _write(run / "evaluation", name or ("cross_validation" if test is None else "test"), report)
    return report
