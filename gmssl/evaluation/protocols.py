"""Cross-validation, and training on one set to test on another, for features that are already extracted."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gmssl.evaluation.classifiers import fit_with_chosen_strength, knn_votes
from gmssl.evaluation.progress import Advance, unwatched
from gmssl.evaluation.scores import CrossValidated, Score, Tested, official_and_clean, over_folds, score


@dataclass(frozen=True, eq=False)
class Known:
    """Labels `[N]` int64, as class numbers, and patients of N images."""

    labels: torch.Tensor
    patients: tuple[str | None, ...]

    def where(self, chosen: torch.Tensor) -> Known:
        """The labels and patients of the images that a boolean mask `[N]` marks."""
        patients = tuple(p for p, kept in zip(self.patients, chosen.tolist(), strict=True) if kept)
        return Known(self.labels[chosen], patients)


@dataclass(frozen=True)
class Protocol:
    """What all references have in common; `folds` is None where a test set is given."""

    classes: tuple[str, ...]
    neighbours: int
    folds: int | None
    seed: int


@dataclass(frozen=True)
class Judgement:
    """Scores of a kind of features.

    Attributes:
        knn: scores of the k-nearest-neighbour classifier.
        linear: scores of the linear probe.
        strengths: the C that the linear probe chose in each fit.
    """

    knn: CrossValidated | Tested
    linear: CrossValidated | Tested
    strengths: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Votes and probabilities `[M,K]`, and the C of the linear probe."""

    knn: torch.Tensor
    linear: torch.Tensor
    strength: float


def _predict(
    train: torch.Tensor, known: Known, test: torch.Tensor, protocol: Protocol, advance: Advance
) -> _Predictions:
    classes = len(protocol.classes)
    votes = knn_votes(train, known.labels, test, protocol.neighbours, classes)
    probe = fit_with_chosen_strength(train, known.labels, known.patients, classes, protocol.seed, advance)
    return _Predictions(votes, probe.log_probabilities(test).exp(), probe.strength)


def cross_validate(
    features: torch.Tensor, known: Known, fold_of: torch.Tensor, protocol: Protocol, advance: Advance = unwatched
) -> Judgement:
    """Classify each fold by all the others.

    Args:
        features: `[N,C]`.
        known: labels and patients of the N images.
        fold_of: `[N]` int64, from `folds.split`; the same for all features that are compared.
        protocol: classes, neighbours and seed.
        advance: called for every fit of a linear probe, `FITS` times for each fold.
    """
    knn: list[Score | None] = []
    linear: list[Score | None] = []
    strengths = []
    for fold in fold_of.unique().tolist():
        held = fold_of == fold
        found = _predict(features[~held], known.where(~held), features[held], protocol, advance)
        knn.append(score(found.knn, known.labels[held]))
        linear.append(score(found.linear, known.labels[held]))
        strengths.append(found.strength)
    return Judgement(_summary(knn), _summary(linear), tuple(strengths))


def _summary(scores: list[Score | None]) -> CrossValidated:
    return over_folds(tuple(s for s in scores if s is not None))


def hold_out(
    train: torch.Tensor,
    known: Known,
    test: torch.Tensor,
    labels: torch.Tensor,
    leaked: torch.Tensor,
    protocol: Protocol,
    advance: Advance = unwatched,
) -> Judgement:
    """Fit to one set and score on another, with and without the test images that copy a training image.

    Args:
        train: `[N,C]`.
        known: labels and patients of the N training images.
        test: `[M,C]`.
        labels: `[M]` int64.
        leaked: `[M]` bool, marks copies of training images.
        protocol: classes, neighbours and seed.
        advance: called for every fit of the linear probe, `FITS` times in all.
    """
    found = _predict(train, known, test, protocol, advance)
    knn, linear = (official_and_clean(votes, labels, leaked) for votes in (found.knn, found.linear))
    return Judgement(knn, linear, (found.strength,))
