"""Weights from a file into a model of timm, made to fit as timm makes its own downloads fit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from gmssl.parts.encoders.dialects import understood
from gmssl.parts.encoders.weights import HEADS, Loaded, UnfitError, read_weights, refuse_unfit


def load_file(network: Any, path: Path, channels: int) -> Loaded:
    """Load a file into a timm model without classifier.

    Prefixes of other trainings are removed and names of other libraries translated; timm's own filter of the
    architecture renames other releases' tensors and resamples position embeddings; the first convolution is adapted to
    the number of channels.

    Raises:
        UnfitError: it holds no weights, or those of another network.
    """
    weights = read_weights(path)
    expected = network.state_dict()
    dialect, prefix, below, beside = understood(weights, expected)
    before = {name: value.shape for name, value in below.items()}
    below = _filtered(network, below)
    _adapt_channels(network, below, channels)
    left_over = refuse_unfit(below, expected, (*HEADS, *_named(network, "classifier")))
    adapted = tuple(name for name in expected if name in below and before.get(name) != below[name].shape)
    fitting = {name: value for name, value in below.items() if name in expected}
    network.load_state_dict(fitting, strict=len(fitting) == len(expected))
    return Loaded(str(path), prefix, len(fitting), (*left_over, *beside), adapted, dialect.who)


def _filtered(network: Any, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    # timm keeps a model's filter beside its class and hands it to its loader; it has no other way to ask for it.
    change = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if change is None:
        return weights
    try:
        return dict(change(dict(weights), network))
    except Exception as error:  # filters were written for the files that timm knows, and stumble over others
        raise UnfitError(f"timm cannot read it as weights of this model ({type(error).__name__}: {error})") from None


def _adapt_channels(network: Any, weights: dict[str, torch.Tensor], channels: int) -> None:
    """The first convolution sees grey as the sum of its colours, and colours as equal shares of grey."""
    from timm.models import adapt_input_conv

    for name in _named(network, "first_conv"):
        key = f"{name}.weight"
        weight, own = weights.get(key), network.get_submodule(name).weight
        if weight is None or weight.ndim != 4 or own.ndim != 4 or weight.shape[1] == own.shape[1]:
            continue
        if weight.shape[1] == 1 and channels == 3:
            weights[key] = weight.expand(-1, 3, -1, -1) / 3
        elif channels == 1:
            weights[key] = adapt_input_conv(1, weight)


def _named(network: Any, entry: str) -> tuple[str, ...]:
    """Modules that timm names in a model's configuration: one, several or none."""
    found = network.pretrained_cfg.get(entry) or ()
    return (found,) if isinstance(found, str) else tuple(found)
