"""The report of an evaluation: encoders, and raw pixels, on the same images by the same protocol."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gmssl.evaluation.protocols import Judgement, Protocol
from gmssl.evaluation.scores import CrossValidated
from gmssl.system.json_text import json_text


@dataclass(frozen=True)
class Counts:
    """Images of a data set.

    Attributes:
        listed: number of images that the folder or manifest names.
        used: number of images that the scores rest on.
        classes: number of used images of each label.
        patients: number of distinct patients named for the used images.
        unlabelled: number of images left out because they bear no label.
        unreadable: number of images left out because they cannot be decoded.
        duplicates: number of further copies of used images; they are left out of a cross-validation, kept in a
            published training set.
        contradictory: distinct images whose copies bear different labels; the first copy's label counts.
        fingerprint: digest of the used images' pixels, labels and patients in their order, on which the folds depend;
            equal digests mean that the same images were used.
        excluded: number of images left out because a list excludes them.
    """

    listed: int
    used: int
    classes: dict[str, int]
    patients: int
    unlabelled: int
    unreadable: int
    duplicates: int
    contradictory: int
    fingerprint: str
    excluded: int = 0


@dataclass(frozen=True)
class Leaks:
    """What a test set shares with its training set.

    Attributes:
        removed: number of test images that are pixel-identical to a training image, or that an audit has found.
        left: number of test images of each label without them.
        patients: number of patients named in both sets; their images are not removed.
        audited: number of those that only the audit has found.
    """

    removed: int
    left: dict[str, int]
    patients: int
    audited: int = 0


@dataclass(frozen=True)
class Reference:
    """A kind of features and its scores; `meaning` says what they are, `channels` how many there are."""

    name: str
    meaning: str
    channels: int
    scores: Judgement


@dataclass(frozen=True)
class Report:
    """An evaluation: encoders, and raw pixels, on the same images by the same protocol.

    Attributes:
        run: the run folder, as given.
        image_size: side of the squares that the encoders saw, in pixels.
        protocol: what all references have in common.
        train: images that classifiers are fitted to (and, in cross-validation, judged on).
        test: test images; None in cross-validation.
        leaks: what the two sets share; None in cross-validation.
        references: one for each row of the table.
    """

    run: str
    image_size: int
    protocol: Protocol
    train: Counts
    test: Counts | None
    leaks: Leaks | None
    references: tuple[Reference, ...]

    def rows(self) -> list[dict[str, str | float | None]]:
        """The table as it is printed, with shares in 0..1: means over folds, or the official scores of a test set.

        A row for each kind of features and classifier: `pandas.DataFrame(report.rows())` shows it in a notebook.
        """
        found: list[dict[str, str | float | None]] = []
        for reference in self.references:
            for classifier, scores in (("kNN", reference.scores.knn), ("linear", reference.scores.linear)):
                row: dict[str, str | float | None] = {"features": reference.name, "classifier": classifier}
                if isinstance(scores, CrossValidated):
                    auroc = None if scores.auroc is None else scores.auroc.mean
                    row |= {"accuracy": scores.accuracy.mean, "balanced": scores.balanced.mean, "auroc": auroc}
                else:
                    official = scores.official
                    row |= {"accuracy": official.accuracy, "balanced": official.balanced, "auroc": official.auroc}
                found.append(row)
        return found

    def to_json(self) -> str:
        """All numbers, with those of every fold; keys are the attributes' names, and what is not finite is null."""
        return json_text(asdict(self))
