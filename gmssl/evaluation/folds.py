"""Folds for cross-validation, stratified by class and without any patient on both sides.

Groups (all images of a patient; an image of unknown patient is its own group) are dealt one by one, largest first, to
the fold where Σ_{f,c} (n_fc / n_c)² grows least, n_fc the images of class c in fold f and n_c those in all folds: the
greedy descent on the sum whose minimum is every class spread evenly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmssl.errors import DataError


def split(labels: Sequence[int], patients: Sequence[str | None], folds: int, seed: int) -> np.ndarray:
    """Fold number of every image, `[N]` int64 in 0..folds−1; the same for the same arguments.

    Args:
        labels: class number of each image.
        patients: patient of each image, or None if unknown.
        folds: number of folds, at least 2.
        seed: seed of the order in which groups of equal size are dealt.

    Raises:
        DataError: there are fewer than two folds, or fewer patients (and images without one) than folds.
    """
    members: dict[tuple[str | None, int], list[int]] = {}
    for index, patient in enumerate(patients):
        members.setdefault((patient, -1 if patient is not None else index), []).append(index)
    groups = list(members.values())
    if not 2 <= folds <= len(groups):
        raise DataError(
            f"{len(labels)} images of {len(groups)} patients (images without a patient count as one each) cannot be "
            f"split into {folds} folds; use at least 2 and at most {len(groups)} folds, or give more images."
        )
    class_of = np.asarray(labels, dtype=np.int64)
    totals_C = np.bincount(class_of).clip(min=1)
    counts_FC = np.zeros((folds, len(totals_C)))
    sizes_F = np.zeros(folds)
    fold_of = np.empty(len(class_of), dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(groups))
    for number in sorted(order, key=lambda g: -len(groups[g])):  # stable: equal sizes stay shuffled
        group = groups[number]
        group_C = np.bincount(class_of[group], minlength=len(totals_C))
        growth_F = counts_FC @ (group_C / totals_C**2)
        fold = int(np.lexsort((sizes_F, growth_F))[0])
        counts_FC[fold] += group_C
        sizes_F[fold] += len(group)
        fold_of[group] = fold
    return fold_of
