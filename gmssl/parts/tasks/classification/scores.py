"""Scores of predicted classes, by torchmetrics."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gmssl.interfaces.task import Row, Scores


def summary(rows: Sequence[Row], classes: int, grades: bool) -> Scores:
    """Scores of rows with `truth` and `probabilities`.

    Args:
        rows: at least one, else every score is None.
        classes: C, the number of classes that are known.
        grades: whether to score the quadratic kappa.

    Balanced accuracy, F1 and the area under the ROC curve are means over the classes that occur in the truth; the last
    is None where only one does, because then no image is of any other.
    """
    from torchmetrics.functional.classification import binary_auroc, multiclass_cohen_kappa, multiclass_f1_score

    names = ["accuracy", "balanced_accuracy", "auroc", "f1", *(["kappa"] if grades else [])]
    if not rows:
        return dict.fromkeys(names)
    probabilities = torch.tensor([row["probabilities"] for row in rows], dtype=torch.float64, device="cpu")
    truth = torch.tensor([row["truth"] for row in rows], device="cpu")
    chosen = probabilities.argmax(1)
    hits = (chosen == truth).double()
    present = truth.unique()
    recalls = torch.stack([hits[truth == label].mean() for label in present])
    f1 = multiclass_f1_score(chosen, truth, classes, average="none")[present].mean()
    found: Scores = {
        "accuracy": float(hits.mean()),
        "balanced_accuracy": float(recalls.mean()),
        "auroc": None,
        "f1": float(f1),
    }
    if len(present) > 1:
        areas = [binary_auroc(probabilities[:, label], (truth == label).long()) for label in present.tolist()]
        found["auroc"] = float(torch.stack(areas).mean())
    if grades:
        kappa = multiclass_cohen_kappa(chosen, truth, classes, weights="quadratic")
        found["kappa"] = float(kappa) if kappa.isfinite() else None
    return found
