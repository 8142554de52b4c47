"""Scores of a classifier on held-out images."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import torch
from scipy.stats import binomtest
from torchmetrics.functional.classification import binary_auroc


@dataclass(frozen=True)
class Score:
    """The scores of a classifier on one set of images.

    Attributes:
        images: number of images.
        right: number of images that it classified rightly.
        accuracy: right / images.
        interval: Wilson's 95 % interval of the accuracy, for images that are independent of each other.
        balanced: mean of the recalls of the classes that occur.
        auroc: mean one-against-rest area under the ROC curve of the classes that occur; None where only one does.
    """

    images: int
    right: int
    accuracy: float
    interval: tuple[float, float]
    balanced: float
    auroc: float | None


def wilson(right: int, images: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, which stays in 0..1 and holds its level for few images and near 0 and 1."""
    found = binomtest(right, images).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def score(probabilities: torch.Tensor, labels: torch.Tensor) -> Score | None:
    """The score of class probabilities or votes `[M,K]` against labels `[M]` int64; None if there is no image."""
    images = len(labels)
    if images == 0:
        return None
    hits = probabilities.argmax(dim=1) == labels
    right = int(hits.sum())
    present = labels.unique().tolist()
    recalls = [hits[labels == c].float().mean().item() for c in present]
    auroc = None
    if len(present) > 1:
        areas = [binary_auroc(probabilities[:, c], (labels == c).long()).item() for c in present]
        auroc = sum(areas) / len(areas)
    return Score(images, right, right / images, wilson(right, images), sum(recalls) / len(recalls), auroc)


@dataclass(frozen=True)
class Spread:
    """Mean over folds and sample standard deviation between folds (not a standard error: folds share images)."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class CrossValidated:
    """Scores of every fold, and their spread; `auroc` is None where a fold holds one class only."""

    accuracy: Spread
    balanced: Spread
    auroc: Spread | None
    folds: tuple[Score, ...]


def over_folds(folds: tuple[Score, ...]) -> CrossValidated:
    """Summarise the folds of a cross-validation, of which there are at least two."""
    areas = [fold.auroc for fold in folds if fold.auroc is not None]
    return CrossValidated(
        _spread([fold.accuracy for fold in folds]),
        _spread([fold.balanced for fold in folds]),
        _spread(areas) if len(areas) == len(folds) else None,
        folds,
    )


def _spread(values: list[float]) -> Spread:
    return Spread(statistics.fmean(values), statistics.stdev(values))


@dataclass(frozen=True)
class Tested:
    """A classifier's scores on a test set as published, and on its images that copy no training image, if any."""

    official: Score
    without_leaks: Score | None


def official_and_clean(votes: torch.Tensor, labels: torch.Tensor, leaked: torch.Tensor) -> Tested:
    """Score votes `[M,K]` on all M test images, at least one, and on those that `leaked` `[M]` bool does not mark."""
    official = score(votes, labels)
    if official is None:
        raise ValueError("no test image to score")
    return Tested(official, score(votes[~leaked], labels[~leaked]))
