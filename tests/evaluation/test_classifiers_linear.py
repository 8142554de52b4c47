import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from gmssl.evaluation.classifiers import STRENGTHS, fit, fit_with_chosen_strength


def drawn(n: int, d: int, classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Correlated features on unlike scales, labels that partly follow them."""
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=random) * torch.logspace(-2, 2, d)
    features = torch.randn(n, d, generator=random) @ mixing + 3
    scores = features @ torch.randn(d, classes, generator=random) / mixing.norm()
    return features, (scores + torch.randn(n, classes, generator=random)).argmax(dim=1)


problems = st.tuples(st.integers(5, 60), st.integers(1, 30), st.integers(2, 4), st.integers(0, 999))
strengths = st.sampled_from(STRENGTHS)


@settings(max_examples=10)
@given(problems, strengths)
def test_gradient_vanishes_at_the_optimum(problem, strength):
    n, d, classes, seed = problem
    features, labels = drawn(n, d, classes, seed)
    probe = fit(features, labels, classes, strength)
    weights, bias = probe.weights.requires_grad_(), probe.bias.requires_grad_()
    standard = (features.double() - features.double().mean(0)) / features.double().std(0, correction=0)
    loss = torch.nn.functional.cross_entropy(standard @ weights + bias, labels, reduction="sum")
    (strength * loss + weights.square().sum() / 2).backward()
    assert weights.grad is not None
    assert bias.grad is not None
    assert weights.grad.abs().max() < 2e-3 * strength * n + 1e-6
    assert bias.grad.abs().max() < 2e-3 * strength * n + 1e-6


def oracle(features: torch.Tensor, labels: torch.Tensor, classes: int, strength: float, other: torch.Tensor):
    """Probabilities `[M,K]` of other features, by torch's L-BFGS and automatic differentiation.

    The penalty does not change under rotation, so it searches along the principal axes, each scaled by the curvature
    that it has at W = 0: features of a network are strongly correlated, which makes L-BFGS crawl.
    """
    n, mean, deviation = len(features), features.double().mean(0), features.double().std(0, correction=0)
    standard = (features.double() - mean) / deviation
    decay = 1 / (strength * n)
    variance, axes = torch.linalg.eigh(standard.T @ standard / n)
    axes, scale = axes[:, -n:], (variance[-n:].clamp(min=0) / classes + decay).rsqrt()
    rotated = standard @ (axes * scale)
    weights = torch.zeros(rotated.shape[1], classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [weights, bias], max_iter=2000, tolerance_grad=1e-8, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )

    def value() -> torch.Tensor:
        search.zero_grad()
        loss = torch.nn.functional.cross_entropy(rotated @ weights + bias, labels)
        loss = loss + decay * ((scale[:, None] * weights) ** 2).sum() / 2
        loss.backward()
        return loss

    search.step(value)
    with torch.no_grad():
        return ((other.double() - mean) / deviation @ (axes * scale) @ weights + bias).softmax(dim=1)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize(("n", "d"), [(200, 12), (40, 90)])
@pytest.mark.parametrize("classes", [2, 3])
def test_another_optimiser_finds_the_same_probe(strength, n, d, classes):
    features, labels = drawn(n, d, classes, 0)
    other, _ = drawn(50, d, classes, 1)
    found = fit(features, labels, classes, strength).log_probabilities(other)
    expected = oracle(features, labels, classes, strength, other)
    torch.testing.assert_close(found.exp(), expected, atol=1e-3, rtol=0)


@settings(max_examples=5)
@given(problems, strengths)
def test_units_of_the_features_do_not_matter(problem, strength):
    n, d, classes, seed = problem
    features, labels = drawn(n, d, classes, seed)
    scaled = features.double() * torch.linspace(0.1, 50, d) - 7
    found = fit(scaled, labels, classes, strength).log_probabilities(scaled)
    expected = fit(features, labels, classes, strength).log_probabilities(features)
    torch.testing.assert_close(found.exp(), expected.exp(), atol=2e-3, rtol=0)


def test_constant_features_and_absent_classes_do_no_harm():
    features, labels = drawn(30, 4, 2, 0)
    constant = torch.cat([features, torch.full((30, 1), 0.1)], dim=1)
    plain = fit(features, labels, 2, 0.1).log_probabilities(features)
    torch.testing.assert_close(fit(constant, labels, 2, 0.1).log_probabilities(constant), plain, atol=1e-4, rtol=1e-3)
    assert fit(features, labels, 3, 0.1).log_probabilities(features)[:, 2].exp().max() < 0.05


def test_a_single_class_is_always_found():
    features, _ = drawn(12, 4, 2, 0)
    probe = fit(features, torch.ones(12, dtype=torch.long), 3, 0.1)
    assert probe.log_probabilities(features)[:, 1].exp().min() > 0.999


def test_strength_suits_the_signal():
    random = torch.Generator().manual_seed(0)
    features = torch.randn(200, 60, generator=random)
    noise = torch.randint(0, 2, (200,), generator=random)
    signal = (features[:, 0] > 0).long()
    patients = [None] * 200
    assert fit_with_chosen_strength(features, noise, patients, 2, 0).strength == min(STRENGTHS)
    assert fit_with_chosen_strength(features, signal, patients, 2, 0).strength > min(STRENGTHS)


def test_threads_come_back():
    def threads() -> list[int]:
        return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]

    fit(*drawn(20, 3, 2, 0), 2, 1.0)  # loads the libraries
    before = threads()
    fit(*drawn(20, 3, 2, 0), 2, 1.0)
    assert threads() == before
