"""The two simple classifiers that judge features: nearest neighbours, and a linear probe. Both are scikit-learn's.

kNN: the vote of a neighbour of cosine similarity s is exp(s / T), T = 0.07 (Wu et al. 2018, "Unsupervised Feature
Learning via Non-Parametric Instance Discrimination", §3.4; the protocol of DINO, MoCo and SwAV).

Linear probe: with features x standardised by the training images' mean and deviation, multinomial logistic regression
minimises

    C · Σ_i −log softmax(W x_i + b)[y_i]  +  ½ ‖W‖²

where the bias b is free. The problem is convex and W is unique, so the result depends on no seed, learning rate or
number of epochs.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gmssl.evaluation.folds import split
from gmssl.evaluation.progress import Advance, unwatched

TEMPERATURE = 0.07
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Values of C to choose from."""

FITS = len(STRENGTHS) + 1
"""Number of fits of one linear probe whose C is chosen."""

_INNER_FOLDS = 5
_GRADIENT = 1e-6  # largest entry at the optimum; scikit-learn's 1e-4 leaves probabilities wrong by up to 0.007
_ITERATIONS = 20_000
_THREADS_PAY_FROM = 10**8  # multiply-adds of one product; below, threads cost more than they save
_ABSENT = 14.0  # nats below the least logit of the training images: exp(−14) is a millionth
_log = logging.getLogger(__name__)


def knn_votes(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    features: torch.Tensor,
    neighbours: int,
    classes: int,
) -> torch.Tensor:
    """Share of the neighbours' weighted votes that each class gets.

    Args:
        train_features: `[N,C]` float, on the CPU, finite.
        train_labels: `[N]` int64 in 0..classes−1.
        features: `[M,C]` float, the images to classify.
        neighbours: k; if there are fewer training images, all of them vote.
        classes: number of classes.

    Returns:
        `[M,classes]` float32, rows sum to 1.

    Raises:
        ValueError: there is no training image, or `neighbours` is less than 1.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if len(train_features) == 0 or neighbours < 1:
        raise ValueError(f"{neighbours} neighbours of {len(train_features)} training images cannot vote")
    votes = torch.zeros(len(features), classes)
    if len(features):
        k = min(neighbours, len(train_features))
        # Brute force, because in the hundreds of dimensions of an encoder trees find nothing faster.
        model = KNeighborsClassifier(k, weights=_weights, algorithm="brute", metric="cosine")
        # Float64, because similarities of an untrained encoder differ in the last bits of float32, where the order of
        # additions, and so the library and the number of threads, would decide who the k-th neighbour is.
        model.fit(train_features.double().numpy(), train_labels.numpy())
        votes[:, model.classes_] = torch.from_numpy(model.predict_proba(features.double().numpy())).float()
    return votes


def _weights(distance: np.ndarray) -> np.ndarray:
    """exp(s / T) of the cosine distances 1 − s, up to a factor that all votes share."""
    return np.exp(-distance / TEMPERATURE)


def knn_predict(
    train_features: torch.Tensor,
    train_labels: torch.Tensor,
    features: torch.Tensor,
    neighbours: int,
    classes: int,
) -> torch.Tensor:
    """Class with the most votes, `[M]` int64; arguments and errors as `knn_votes`."""
    return knn_votes(train_features, train_labels, features, neighbours, classes).argmax(dim=1)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted probe: `softmax((x − mean) / deviation @ weights + bias)`, all float64.

    Attributes:
        mean: `[D]`, mean of the training features.
        deviation: `[D]`, their standard deviation; 1 for constant features.
        weights: `[D,K]`; zero for a class that no training image bears.
        bias: `[K]`; it is so low for such a class that the class gets no more than a millionth.
        strength: the C of the objective above.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    weights: torch.Tensor
    bias: torch.Tensor
    strength: float

    def log_probabilities(self, features: torch.Tensor) -> torch.Tensor:
        """`[M,K]` float64 of features `[M,D]`."""
        logits = (features.double() - self.mean) / self.deviation @ self.weights + self.bias
        return logits.log_softmax(dim=1)


def fit(features: torch.Tensor, labels: torch.Tensor, classes: int, strength: float) -> LinearProbe:
    """The optimum of the objective above.

    Args:
        features: `[N,D]` of the training images, of any float type, on the CPU, finite.
        labels: `[N]` int64 in 0..classes−1; a class that does not occur gets small probabilities.
        classes: K.
        strength: C; larger fits the training images closer.
    """
    from sklearn.preprocessing import StandardScaler

    plain = features.double().numpy()
    scaler = StandardScaler().fit(plain)
    standard = scaler.transform(plain)
    present = labels.unique().numpy()
    weights, bias = np.zeros((plain.shape[1], classes)), np.zeros(classes)
    if len(present) > 1:
        weights[:, present], bias[present] = _optimum(standard, labels.numpy(), len(present), strength)
    # The optimum gives a class without an image the bias −∞. A finite one keeps the likelihood of held-out images
    # finite, by which C is chosen.
    lowest = (standard @ weights[:, present] + bias[present]).min()
    bias[np.setdiff1d(np.arange(classes), present)] = lowest - _ABSENT
    mean, deviation = torch.from_numpy(scaler.mean_), torch.from_numpy(scaler.scale_)
    return LinearProbe(mean, deviation, torch.from_numpy(weights), torch.from_numpy(bias), strength)


def _optimum(standard_ND: np.ndarray, labels: np.ndarray, classes: int, strength: float) -> tuple[np.ndarray, ...]:
    """Weights `[D,K]` and bias `[K]` for at least two labels, which all occur."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    # Of two classes scikit-learn fits w = W₁ − W₀ alone and penalises ½‖w‖², where ½‖W‖² is ¼‖w‖² at W₁ = −W₀ = w/2;
    # twice the C makes both problems one.
    two = classes == 2
    model = LogisticRegression(C=2 * strength if two else strength, tol=_GRADIENT, max_iter=_ITERATIONS)
    pays = standard_ND.size * classes >= _THREADS_PAY_FROM
    with threadpool_limits(None if pays else 1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the warning below says it in our words
        model.fit(standard_ND, labels)
    if model.n_iter_.max() >= _ITERATIONS:
        _log.warning("the linear probe (C = %g) stopped before its optimum", strength)
    if two:
        return np.hstack([-model.coef_.T, model.coef_.T]) / 2, np.hstack([-model.intercept_, model.intercept_]) / 2
    return model.coef_.T, model.intercept_


def fit_with_chosen_strength(
    features: torch.Tensor,
    labels: torch.Tensor,
    patients: Sequence[str | None],
    classes: int,
    seed: int,
    advance: Advance = unwatched,
) -> LinearProbe:
    """`fit` with the C of `STRENGTHS` whose probe, fitted to four fifths, finds the fifth's labels likeliest.

    Thus features of any number and scale are judged at the strength that suits them. The fifth is drawn from the
    training images only, stratified by class and grouped by patient; the final fit uses all of them. `advance` is
    called with 1 after each of the `FITS` fits.

    Raises:
        DataError: there are fewer than two patients.
    """
    groups = len(set(patients) - {None}) + list(patients).count(None)
    held = torch.from_numpy(split(labels.tolist(), patients, min(_INNER_FOLDS, groups), seed)) == 0
    losses = {}
    for strength in STRENGTHS:
        probe = fit(features[~held], labels[~held], classes, strength)
        logs = probe.log_probabilities(features[held])
        losses[strength] = torch.nn.functional.nll_loss(logs, labels[held]).item()
        advance(1)
    best = fit(features, labels, classes, min(STRENGTHS, key=losses.__getitem__))
    advance(1)
    return best
