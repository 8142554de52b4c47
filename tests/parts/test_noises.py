"""Moments and distributions against scipy."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

import gmssl

LARGE = torch.empty(200, 20, 20)


@pytest.mark.parametrize(
    ("kind", "settings", "distribution"),
    [
        ("gumbel", {}, stats.gumbel_r()),
        ("gumbel", {"temperature": 0.3}, stats.gumbel_r(scale=0.3)),
        ("gaussian", {"temperature": 2.0}, stats.norm(scale=2.0)),
    ],
)
def test_distribution(kind: str, settings: dict[str, float], distribution: stats.rv_continuous) -> None:
    sample = gmssl.part("noise", kind, **settings).sample(LARGE, torch.Generator().manual_seed(0))
    assert stats.kstest(sample.flatten().numpy(), distribution.cdf).pvalue > 1e-3


def test_sums_of_sum_of_gamma_are_gumbel() -> None:
    noise = gmssl.part("noise", "sum_of_gamma", k=8, terms=200, temperature=0.5)
    sums = noise.sample(torch.empty(4000, 8, 1), torch.Generator().manual_seed(0)).sum((1, 2))
    # The truncated series misses the constant of Euler by about 1 / (2 · terms).
    assert stats.kstest(sums.numpy(), stats.gumbel_r(scale=0.5).cdf).pvalue > 1e-3


def test_no_noise_is_zero() -> None:
    assert not gmssl.part("noise", "none").sample(LARGE, None).any()


@pytest.mark.parametrize("kind", ["gumbel", "gaussian", "sum_of_gamma", "none"])
def test_shape_dtype_and_seed(kind: str) -> None:
    noise = gmssl.part("noise", kind)
    for like in (torch.empty(2, 3, 4, dtype=torch.float64), torch.empty(2, 0, 0)):
        first = noise.sample(like, torch.Generator().manual_seed(3))
        again = noise.sample(like, torch.Generator().manual_seed(3))
        assert (first.shape, first.dtype) == (like.shape, like.dtype)
        assert torch.equal(first, again)
        assert bool(torch.isfinite(first).all())
    # A broadcast view must not make all samples share memory.
    spread = noise.sample(torch.zeros(()).expand(2, 3, 4), torch.Generator().manual_seed(3))
    assert kind == "none" or len(spread.unique()) == 24


@pytest.mark.parametrize(
    ("kind", "distribution"), [("gumbel", stats.gumbel_r(scale=0.7)), ("gaussian", stats.norm(scale=0.7))]
)
def test_score_is_the_derivative_of_the_log_density(kind: str, distribution: stats.rv_continuous) -> None:
    sample = torch.linspace(-1.5, 3, 50, dtype=torch.float64)
    found = gmssl.part("noise", kind, temperature=0.7).score(sample)
    at = sample.numpy()
    expected = (distribution.logpdf(at + 1e-6) - distribution.logpdf(at - 1e-6)) / 2e-6
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-5, atol=1e-6)
