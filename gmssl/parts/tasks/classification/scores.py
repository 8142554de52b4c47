"""Scores of predicted classes, by torchmetrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from gmssl.interfaces.task import Resampled, Row, Scores

METRICS = ("accuracy", "balanced_accuracy", "auroc", "f1")
"""Scores of all classifications; those of grades have `kappa`, too."""


def summary(rows: Sequence[Row], classes: int, grades: bool) -> Scores:
    """Scores of rows with `truth` and `probabilities`.

    Args:
        rows: at least one, else every score is None.
        classes: C, the number of classes that are known.
        grades: whether to score the quadratic kappa.

    Balanced accuracy, F1 and the area under the ROC curve are means over the classes that occur in the truth; the last
    is None where only one does, because then no image is of any other.
    """
    return resampled(rows, classes, names_of(grades))(range(len(rows)))


def names_of(grades: bool) -> tuple[str, ...]:
    """The scores of `summary`."""
    return (*METRICS, "kappa") if grades else METRICS


def resampled(rows: Sequence[Row], classes: int, names: Sequence[str]) -> Resampled:
    """Scores of `summary` of choices of rows; see `gmssl.interfaces.task.Task.resampled`."""
    probabilities, truth = _tensors(rows)

    def scores(chosen: Sequence[int]) -> Scores:
        if not len(chosen):
            return dict.fromkeys(names)
        index = torch.as_tensor(chosen, device="cpu")
        return {name: _SCORES[name](probabilities[index], truth[index], classes) for name in names}

    return scores


def _tensors(rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    probabilities = torch.tensor([row["probabilities"] for row in rows], dtype=torch.float64, device="cpu")
    return probabilities, torch.tensor([row["truth"] for row in rows], device="cpu")


def _accuracy(probabilities: torch.Tensor, truth: torch.Tensor, classes: int) -> float:
    return float((probabilities.argmax(1) == truth).double().mean())


def _balanced_accuracy(probabilities: torch.Tensor, truth: torch.Tensor, classes: int) -> float:
    hits = (probabilities.argmax(1) == truth).double()
    return float(torch.stack([hits[truth == label].mean() for label in truth.unique()]).mean())


def _auroc(probabilities: torch.Tensor, truth: torch.Tensor, classes: int) -> float | None:
    from torchmetrics.functional.classification import binary_auroc

    present = truth.unique().tolist()
    if len(present) < 2:
        return None
    return float(torch.stack([binary_auroc(probabilities[:, k], (truth == k).long()) for k in present]).mean())


def _f1(probabilities: torch.Tensor, truth: torch.Tensor, classes: int) -> float:
    from torchmetrics.functional.classification import multiclass_f1_score

    return float(multiclass_f1_score(probabilities.argmax(1), truth, classes, average="none")[truth.unique()].mean())


def _kappa(probabilities: torch.Tensor, truth: torch.Tensor, classes: int) -> float | None:
    from torchmetrics.functional.classification import multiclass_cohen_kappa

    kappa = multiclass_cohen_kappa(probabilities.argmax(1), truth, classes, weights="quadratic")
    return float(kappa) if kappa.isfinite() else None


_SCORES: dict[str, Callable[[torch.Tensor, torch.Tensor, int], float | None]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "auroc": _auroc,
    "f1": _f1,
    "kappa": _kappa,
}
