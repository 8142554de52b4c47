"""Linear probe: multinomial logistic regression on frozen, standardised features.

With features x standardised by the training images' mean and deviation, it minimises

    C · Σ_i −log softmax(W x_i + b)[y_i]  +  ½ ‖W‖²

(the objective of scikit-learn's LogisticRegression; the bias b is free). The problem is convex and W is unique, so the
result depends on no seed, learning rate or number of epochs; L-BFGS in float64 finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from gmssl.evaluation.folds import split

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Values of C to choose from."""

_INNER_FOLDS = 5
_GRADIENT = 1e-6  # largest entry of the gradient at the optimum
_THREADS_PAY_FROM = 10**8  # multiply-adds of one product; below, threads cost more than they save
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted probe: `softmax((x − mean) / deviation @ weights + bias)`, all float64.

    Attributes:
        mean: `[D]`, of the training features.
        deviation: `[D]`; 1 for constant features.
        weights: `[D,K]`.
        bias: `[K]`.
        strength: C above.
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


def objective(
    parameters: torch.Tensor, features_ND: torch.Tensor, target_NK: torch.Tensor, decay_D: torch.Tensor
) -> tuple[float, torch.Tensor]:
    """Mean cross-entropy plus ½ Σ decay_d W_dk², and its gradient.

    Args:
        parameters: W `[D,K]` and then b `[K]`, flat.
        features_ND: features.
        target_NK: one-hot labels.
        decay_D: penalty of each feature's weights; 1 / (C·N) for all gives the objective above divided by C·N.
    """
    n, d = features_ND.shape
    weights_DK = parameters[: d * target_NK.shape[1]].view(d, -1)
    logs_NK = torch.addmm(parameters[weights_DK.numel() :], features_ND, weights_DK).log_softmax(dim=1)
    residual_NK = (logs_NK.exp() - target_NK) / n
    value = (decay_D @ weights_DK**2).sum() / 2 - (logs_NK * target_NK).sum() / n
    gradient_DK = features_ND.T @ residual_NK + decay_D[:, None] * weights_DK
    return value.item(), torch.cat([gradient_DK.flatten(), residual_NK.sum(dim=0)])


def fit(features: torch.Tensor, labels: torch.Tensor, classes: int, strength: float) -> LinearProbe:
    """The optimum of the objective above.

    Features of a network are strongly correlated, which makes L-BFGS crawl. The penalty does not change under
    rotation, so the problem is solved along the principal axes, each scaled by the curvature it has at W = 0,
    variance / K + decay: the same optimum in a tenth of the iterations.

    Args:
        features: `[N,D]` of the training images, any float type, on the CPU.
        labels: `[N]` int64 in 0..classes−1; a class that does not occur gets small probabilities.
        classes: K.
        strength: C; larger fits the training images closer.
    """
    plain = features.double()
    n = len(plain)
    mean, deviation = plain.mean(dim=0), plain.std(dim=0, correction=0)
    deviation = torch.where(deviation > 1e-9 * plain.abs().max(), deviation, 1.0)
    target = torch.nn.functional.one_hot(labels, classes).double()
    decay = 1 / (strength * n)
    with _threads_where_they_pay(n * plain.shape[1] * classes):
        standard = (plain - mean) / deviation
        variance, axes = torch.linalg.eigh(standard.T @ standard / n)
        variance, axes = variance[-n:].clamp(min=0), axes[:, -n:]  # n images span at most n axes
        scale = (variance / classes + decay).rsqrt()
        axes = axes * scale
        rotated = standard @ axes

        found = _minimise(rotated, target, decay * scale**2)
    if found.grad is None or found.grad.abs().max() > 10 * _GRADIENT:
        _log.warning("the linear probe (C = %g) stopped before its optimum", strength)
    weights, bias = found.detach().split([len(scale) * classes, classes])
    return LinearProbe(mean, deviation, axes @ weights.view(-1, classes), bias, strength)


def fit_with_chosen_strength(
    features: torch.Tensor, labels: torch.Tensor, patients: Sequence[str | None], classes: int, seed: int
) -> LinearProbe:
    """`fit` with the C of `STRENGTHS` whose probe, fitted to four fifths, finds the fifth's labels likeliest.

    Thus features of any number and scale are judged at the strength that suits them. The fifth is drawn from the
    training images only, stratified by class and grouped by patient; the final fit uses all of them.

    Raises:
        DataError: fewer than two patients.
    """
    groups = len(set(patients) - {None}) + list(patients).count(None)
    held = torch.from_numpy(split(labels.tolist(), patients, min(_INNER_FOLDS, groups), seed)) == 0
    losses = {}
    for strength in STRENGTHS:
        probe = fit(features[~held], labels[~held], classes, strength)
        logs = probe.log_probabilities(features[held])
        losses[strength] = torch.nn.functional.nll_loss(logs, labels[held]).item()
    return fit(features, labels, classes, min(STRENGTHS, key=losses.__getitem__))


def _minimise(features_ND: torch.Tensor, target_NK: torch.Tensor, decay_D: torch.Tensor) -> torch.Tensor:
    """Where `objective` is least, flat; its `grad` is the gradient there.

    torch's L-BFGS and not scipy's: the number of threads of scipy's BLAS cannot be set from here, and on a busy machine
    they wait for each other a hundred times longer than they work.
    """
    parameters = features_ND.new_zeros((features_ND.shape[1] + 1) * target_NK.shape[1]).requires_grad_()
    search = torch.optim.LBFGS(
        [parameters],
        max_iter=2000,
        max_eval=4000,
        tolerance_grad=_GRADIENT,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def value() -> float:
        found, parameters.grad = objective(parameters.detach(), features_ND, target_NK, decay_D)
        return found

    search.step(value)
    value()  # the line search may end on an evaluation other than its last
    return parameters


@contextmanager
def _threads_where_they_pay(work: int) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(threads if work >= _THREADS_PAY_FROM else 1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
