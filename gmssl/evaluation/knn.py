"""Weighted k-nearest-neighbour classification by cosine similarity.

The vote of a neighbour of similarity s is exp(s / T), T = 0.07 (Wu et al. 2018, "Unsupervised Feature Learning via
Non-Parametric Instance Discrimination", §3.4; the protocol of DINO, MoCo and SwAV).
"""

from __future__ import annotations

import torch

TEMPERATURE = 0.07
_QUERIES = 1024  # at once: bounds the similarity matrix to 1024 × N


def knn_votes(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    features: torch.Tensor,
    neighbours: int,
    classes: int,
) -> torch.Tensor:
    """Share of the neighbours' weighted votes that each class gets.

    Args:
        train_features: `[N,C]` float.
        train_labels: `[N]` int64 in 0..classes−1.
        features: `[M,C]` float, the images to classify.
        neighbours: k; all training images vote where there are fewer.
        classes: number of classes.

    Returns:
        `[M,classes]` float, rows sum to 1.

    Raises:
        ValueError: no training image, or fewer than one neighbour.
    """
    if len(train_features) == 0 or neighbours < 1:
        raise ValueError(f"{neighbours} neighbours of {len(train_features)} training images cannot vote")
    train = torch.nn.functional.normalize(train_features, dim=1)
    queries = torch.nn.functional.normalize(features, dim=1)
    k = min(neighbours, len(train))
    votes = features.new_zeros(len(features), classes)
    for start in range(0, len(queries), _QUERIES):
        similarity, nearest = (queries[start : start + _QUERIES] @ train.T).topk(k, dim=1)
        weights = (similarity / TEMPERATURE).softmax(dim=1)  # exp(s/T) up to a factor common to all k votes
        votes[start : start + _QUERIES].scatter_add_(1, train_labels[nearest], weights)
    return votes


def knn_predict(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    features: torch.Tensor,
    neighbours: int,
    classes: int,
) -> torch.Tensor:
    """Class with the most votes, `[M]` int64; arguments and errors as `knn_votes`."""
    return knn_votes(train_features, train_labels, features, neighbours, classes).argmax(dim=1)
