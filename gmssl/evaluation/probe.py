"""The kNN probe of a training, which tells how good the features are now."""

from __future__ import annotations

import torch

from gmssl.evaluation.classifiers import knn_predict
from gmssl.evaluation.features import extract
from gmssl.evaluation.folds import split
from gmssl.evaluation.pixels import read
from gmssl.evaluation.selection import Subset, class_names, unique
from gmssl.interfaces.data import Images
from gmssl.interfaces.views import Views

_SEED = 0  # the folds are the same at every probe, of every run on these images


def knn_probe(
    encoder: torch.nn.Module,
    images: Images,
    views: Views,
    channels: int,
    neighbours: int,
    folds: int,
    batch: int = 256,
    workers: int = 0,
) -> float:
    """The share of the pixel-unique images that their neighbours in the other folds classify rightly.

    Folds are stratified by class and grouped by patient. The encoder is frozen meanwhile, see `extract`.

    Args:
        encoder: `[B,K,H,W] -> (map, pooled [B,C])`, on any device.
        images: labelled images; those without label or unreadable are left out.
        views: `plain` normalises, `sizes[0]` is the side to which whole images are resized.
        channels: K, 1 or 3.
        neighbours: k of the vote.
        folds: number of folds.
        batch: images in one forward pass.
        workers: number of loader processes.

    Returns:
        Accuracy in 0..1.

    Raises:
        DataError: there are fewer than two classes, fewer patients than folds, or no readable images.
    """
    kept = unique(images.records, read(images, workers).digests).indices
    classes = class_names(images.records, kept, "the images of the probe")
    sample = Subset(images, kept)
    features, readable = extract(encoder, sample, views, channels, views.sizes[0], batch, workers)
    records = [sample.records[i] for i in readable.tolist()]
    labels = torch.tensor([classes.index(record.label or "") for record in records])
    fold_of = torch.from_numpy(split(labels.tolist(), [record.patient for record in records], folds, _SEED))
    right = 0
    for fold in range(folds):
        held = fold_of == fold
        guess = knn_predict(features[~held], labels[~held], features[held], neighbours, len(classes))
        right += int((guess == labels[held]).sum())
    return right / len(labels)
