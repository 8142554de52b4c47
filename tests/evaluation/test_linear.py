import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gmssl.evaluation.linear import STRENGTHS, fit, fit_with_chosen_strength, objective


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


@settings(max_examples=10)
@given(problems, st.integers(0, 999))
def test_gradient_is_that_of_the_value(problem, seed):
    n, d, classes, _ = problem
    features, labels = drawn(n, d, classes, seed)
    decay = torch.rand(d, dtype=torch.float64)
    target = torch.nn.functional.one_hot(labels, classes).double()
    point = torch.randn((d + 1) * classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) / 10
    point.requires_grad_()
    weights, bias = point.split([d * classes, classes])
    logits = features.double() @ weights.view(d, classes) + bias
    expected = torch.nn.functional.cross_entropy(logits, labels)
    expected = expected + (decay[:, None] * weights.view(d, classes) ** 2).sum() / 2
    expected.backward()
    value, gradient = objective(point.detach(), features.double(), target, decay)
    assert value == pytest.approx(expected.item())
    torch.testing.assert_close(gradient, point.grad)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize(("n", "d"), [(200, 12), (40, 90)])
def test_scikit_learn_finds_the_same_probe(strength, n, d):
    linear_model = pytest.importorskip("sklearn.linear_model")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    features, labels = drawn(n, d, 3, 0)
    scaler = preprocessing.StandardScaler().fit(features.double().numpy())
    peer = linear_model.LogisticRegression(C=strength, tol=1e-10, max_iter=20000)
    peer.fit(scaler.transform(features.double().numpy()), labels.numpy())
    other, _ = drawn(50, d, 3, 1)
    expected = torch.from_numpy(peer.predict_log_proba(scaler.transform(other.double().numpy())))
    found = fit(features, labels, 3, strength).log_probabilities(other)
    torch.testing.assert_close(found.exp(), expected.exp(), atol=1e-3, rtol=0)


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


def test_strength_suits_the_signal():
    random = torch.Generator().manual_seed(0)
    features = torch.randn(200, 60, generator=random)
    noise = torch.randint(0, 2, (200,), generator=random)
    signal = (features[:, 0] > 0).long()
    patients = [None] * 200
    assert fit_with_chosen_strength(features, noise, patients, 2, 0).strength == min(STRENGTHS)
    assert fit_with_chosen_strength(features, signal, patients, 2, 0).strength > min(STRENGTHS)


def test_threads_come_back():
    threads = torch.get_num_threads()
    fit(*drawn(20, 3, 2, 0), 2, 1.0)
    assert torch.get_num_threads() == threads
