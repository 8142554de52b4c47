"""Projector."""

from __future__ import annotations

import torch

import gmssl


def test_one_width_is_one_linear_layer() -> None:
    head = gmssl.part("projector", "mlp", widths=[7]).build(5)
    x = torch.randn(3, 5)
    torch.testing.assert_close(head(x), x @ head[0].weight.T + head[0].bias)
    assert head.channels == 7


def test_hidden_layers_are_normalised_and_rectified() -> None:
    head = gmssl.part("projector", "mlp", widths=[6, 4]).build(5)
    assert [type(layer).__name__ for layer in head] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert head(torch.randn(8, 5)).shape == (8, 4)
    bare = gmssl.part("projector", "mlp", widths=[6, 4], batch_norm=False).build(5)
    assert [type(layer).__name__ for layer in bare] == ["Linear", "ReLU", "Linear"]


def test_normalised_output_is_centred_over_the_batch() -> None:
    out = gmssl.part("projector", "mlp", widths=[4], normalise_output=True).build(5)(5 + torch.randn(64, 5))
    torch.testing.assert_close(out.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)
