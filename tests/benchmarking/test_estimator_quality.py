"""The measures of gradient estimates: known answers, and what theory says of the estimators."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.benchmarking.estimators.contestants import problems
from gmssl.benchmarking.estimators.expected_loss import Smoothing, expected_loss
from gmssl.benchmarking.estimators.quality import SHARES, SUMS, Landscape, estimates, judge
from gmssl.benchmarking.estimators.statistics import measures
from gmssl.problem import Problem

EXHAUSTIVE = gmssl.part("solver", "exhaustive")
SMOOTHING = Smoothing("gumbel", 0.7)


def landscape_of(problem: Problem, smoothing: Smoothing, draws: int = 10_000) -> Landscape:
    return Landscape(problem, expected_loss(problem, smoothing, draws, torch.Generator().manual_seed(0)), smoothing)


def drawn(problem: Problem, draws: int, kind: str, seed: int = 1, **settings: object) -> torch.Tensor:
    estimator = gmssl.part("estimator", kind, **settings)
    return estimates(estimator, EXHAUSTIVE, problem, draws, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def landscape() -> Landscape:
    return landscape_of(problems(3, 3, seed=0, edges=True), SMOOTHING)


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_the_exact_gradient_is_perfect_at_any_scale(landscape: Landscape, scale: float) -> None:
    quality = judge(scale * landscape.exact.gradient[:, None].expand(-1, 4, -1), landscape)
    found = measures(quality)
    assert found["bias"].mean == pytest.approx(scale - 1, abs=0.02)
    assert found["scaled_bias"].mean == pytest.approx(0, abs=0.03)
    assert found["variance"].mean == found["scaled_variance"].mean == 0
    assert float(quality.cosine.min()) > 0.99
    assert bool((quality.aligned == 1).all())
    assert bool((quality.descent == 1).all())
    assert bool((quality.zero == 0).all())


def test_a_gradient_of_the_wrong_sign_and_none_at_all(landscape: Landscape) -> None:
    g = landscape.exact.gradient[:, None].expand(-1, 4, -1)
    wrong = measures(judge(-g, landscape))
    assert (wrong["descent"].mean, wrong["aligned"].mean, wrong["scaled_bias"].mean) == (0, 0, 1)
    assert wrong["scaled_variance"].mean is None
    none = measures(judge(0 * g, landscape))
    assert (none["zero"].mean, none["cosine"].mean, none["descent"].mean) == (1, 0, 0)
    assert none["bias"].mean == pytest.approx(1, abs=0.02)


def test_white_noise_around_the_truth_is_variance_and_no_bias(landscape: Landscape) -> None:
    g = landscape.exact.gradient[:, None]
    noise = torch.randn(len(g), 1000, g.shape[2], generator=torch.Generator().manual_seed(1)).double() * g.norm() / 10
    found = measures(judge(g + noise, replace(landscape, draws=16)))  # descent is no matter here
    expected = noise.square().sum(2).mean() / g.square().sum(2).mean()
    assert found["variance"].mean == pytest.approx(expected.item(), rel=0.03)
    assert found["scaled_variance"].mean == pytest.approx(expected.item(), rel=0.1)
    assert found["bias"].low == 0
    assert found["mean_cosine"].mean == pytest.approx(1, abs=0.01)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-6, 1e6), seed=st.integers(0, 2**31))
def test_a_factor_of_the_loss_changes_no_measure_of_direction(landscape: Landscape, scale: float, seed: int) -> None:
    """All but bias and variance themselves, which are those of one scale."""
    shape = (*landscape.exact.gradient.shape[:1], 6, landscape.exact.gradient.shape[1])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    given_ = landscape.exact.gradient[:, None] + noise
    quick = replace(landscape, draws=64)
    one, other = (measures(judge(x, quick)) for x in (given_, scale * given_))
    for name in ("scaled_bias", "scaled_variance", "cosine", "mean_cosine", *SHARES[1:]):
        assert one[name].mean == pytest.approx(other[name].mean, rel=1e-6, abs=1e-6), name
    assert other["variance"].mean == pytest.approx(scale**2 * (one["variance"].mean or 0), rel=1e-6)


@pytest.mark.parametrize("kind", ["gumbel", "gaussian"])
def test_the_score_function_has_no_bias(kind: str) -> None:
    """Berthet et al.: unbiased for losses linear in the matching, such as Hamming's. The interval reaches 0."""
    problem, smoothing = problems(3, 3, seed=0, edges=True), Smoothing(kind, 0.7)
    ground = replace(landscape_of(problem, smoothing), draws=16)
    found = [
        measures(judge(drawn(problem, 1000, "perturbed", seed, samples=8, noise=smoothing.noise), ground))
        for seed in range(4)
    ]
    assert sum(one["bias"].low == 0 for one in found) >= 3, "one in twenty misses"
    assert max(one["bias"].high or 1 for one in found) < 0.15
    assert min(one["mean_cosine"].mean or 0 for one in found) > 0.99


def test_imle_has_less_bias_and_more_variance_the_smaller_its_strength(landscape: Landscape) -> None:
    """E(z' − z) / λ is a difference quotient of the expected matching: its limit λ → 0 is the exact gradient."""
    ground = replace(landscape, draws=16)
    found = [
        measures(judge(drawn(landscape.problem, 1000, "imle", strength=s, noise=SMOOTHING.noise), ground))
        for s in (0.1, 1.0, 80.0)
    ]
    biases = [one["scaled_bias"].mean or 0.0 for one in found]
    variances = [one["scaled_variance"].mean or 0.0 for one in found]
    assert biases == sorted(biases)
    assert variances == sorted(variances, reverse=True)
    assert (found[0]["bias"].mean or 0) < 0.2


def test_beyond_some_strength_the_direction_of_imle_stays_the_same() -> None:
    """Bounded affinities: the target problem's optimum is the truth, and the estimate (x* − z) / λ."""
    problem = problems(4, 3, seed=0, edges=True)
    noise = Smoothing("gumbel", 0.2).noise
    weak, strong = (drawn(problem, 16, "imle", strength=strength, noise=noise) for strength in (20.0, 80.0))
    assert torch.allclose(weak, 4 * strong)
    assert bool(strong.any())


def test_samples_divide_the_variance_of_imle_and_leave_its_mean(landscape: Landscape) -> None:
    ground = replace(landscape, draws=16)
    one, four = (
        measures(judge(drawn(landscape.problem, 1000, "imle", samples=s, noise=SMOOTHING.noise), ground))
        for s in (1, 4)
    )
    assert one["variance"].mean == pytest.approx(4 * (four["variance"].mean or 0), rel=0.15)
    assert one["bias"].mean == pytest.approx(four["bias"].mean, rel=0.02)


def test_blackbox_is_one_noiseless_sample_of_imle() -> None:
    problem = problems(3, 4, seed=0, edges=True)
    noiseless = drawn(problem, 3, "imle", strength=2.0, noise="none")
    assert torch.equal(drawn(problem, 3, "blackbox", strength=2.0), noiseless)
    assert bool(noiseless.any())
    assert bool((noiseless == noiseless[:, :1]).all()), "there is nothing to draw"


def test_the_exact_derivative_of_a_softmax_is_exact_for_a_choice_of_one() -> None:
    """A choice under Gumbel noise has the distribution of a softmax: no bias, no variance, at its own temperature."""
    costs = torch.randn(6, 1, 4, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(6, 0, 2, dtype=torch.long)
    target = torch.nn.functional.one_hot(torch.arange(6) % 4, 4)[:, None].float()
    problem = Problem.build(costs, none, none, torch.zeros(6, 0, 0), target=target)
    ground = landscape_of(problem, SMOOTHING)
    softmax = gmssl.part("solver", "row_softmax", temperature=SMOOTHING.temperature)
    found = estimates(gmssl.part("estimator", "exact"), softmax, problem, 4, torch.Generator())
    quality = judge(found, ground)
    shown = measures(quality)
    assert shown["bias"].low == 0
    assert (shown["bias"].high or 1) < 0.05
    assert shown["variance"].mean == pytest.approx(0, abs=1e-12)
    assert bool((quality.descent == 1).all())


def test_flat_instances_have_no_direction_and_still_a_bias() -> None:
    """Noise that cannot change the matching: the exact gradient is 0, and no cosine is made up."""
    problem = problems(3, 2, seed=0, edges=False)
    problem = problem.with_costs(problem.costs.scale(1e4))
    ground = landscape_of(problem, Smoothing("gumbel", 0.01), 500)
    assert not bool(ground.steep.any())
    quality = judge(torch.ones(6, 4, 9, dtype=torch.float64), ground)
    assert all(bool(getattr(quality, name).isnan().all()) for name in SHARES)
    assert all(bool(getattr(quality, name).isfinite().all()) for name in SUMS)
    assert measures(quality)["cosine"].mean is None
