"""Towers of small random models, saved as transformers saves them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from gmssl.downstream.encoders import choose
from gmssl.errors import RecipeError

transformers = pytest.importorskip("transformers")

VIT = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 5, "num_attention_heads": 2, "image_size": 32}
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 50}


def clip() -> torch.nn.Module:
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=VIT | {"patch_size": 8}, projection_dim=8)
    return transformers.CLIPModel(config)


def align() -> torch.nn.Module:
    vision = {"image_size": 32, "width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 64}
    return transformers.AlignVisionModel(transformers.AlignVisionConfig(**vision))


def flava() -> torch.nn.Module:
    return transformers.FlavaImageModel(transformers.FlavaImageConfig(**VIT, patch_size=8))


def dinov2() -> torch.nn.Module:
    config = transformers.Dinov2Config(**(VIT | {"patch_size": 8}), mlp_ratio=2)
    return transformers.Dinov2Model(config)


def sam() -> torch.nn.Module:
    config = transformers.SamVisionConfig(
        **(VIT | {"patch_size": 8}), output_channels=16, mlp_dim=32, global_attn_indexes=[1], window_size=2
    )
    return transformers.SamVisionModel(config)


@pytest.mark.parametrize(
    ("make", "strides"),
    [(clip, (8, 8, 8, 8)), (align, None), (flava, (8, 8, 8, 8)), (dinov2, (8, 8, 8, 8)), (sam, (8, 8, 8, 8))],
)
def test_towers_give_pooled_features_and_maps(tmp_path: Path, make, strides: tuple[int, ...] | None) -> None:
    torch.manual_seed(0)
    make().save_pretrained(tmp_path / "model")
    backbone = choose(f"transformers:{tmp_path / 'model'}", 32, None).backbone(0, 32, True)
    assert backbone is not None
    images = torch.rand(2, 3, 32, 32)
    assert backbone(images).shape == (2, backbone.width)
    if strides is not None:
        assert backbone.strides == strides
    for map_, channels, stride in zip(backbone.pyramid(images), backbone.channels, backbone.strides, strict=True):
        assert map_.shape == (2, channels, 32 // stride, 32 // stride)


def test_cells_of_a_tower_are_where_the_pixels_are(tmp_path: Path) -> None:
    torch.manual_seed(0)
    flava().save_pretrained(tmp_path / "model")
    backbone = choose(f"transformers:{tmp_path / 'model'}", 32, None).backbone(0, 32, True)
    assert backbone is not None
    first = backbone.encoder.network.forward_intermediates
    images = torch.zeros(1, 3, 32, 32)
    changed = images.clone()
    changed[..., 8:16, 24:32] = 3.0  # the cell of row 1 and column 3
    difference = (first(changed, [0])[0] - first(images, [0])[0]).abs().sum(1)[0]
    assert divmod(int(difference.argmax()), 4) == (1, 3)


def test_what_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RecipeError, match="cannot be opened"):
        choose(f"transformers:{tmp_path}", 32, None).backbone(0, 32, True)
    transformers.BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(RecipeError, match="is a bert, whose image tower is not known; known are align"):
        choose(f"transformers:{tmp_path / 'bert'}", 32, None).backbone(0, 32, True)
    flava().save_pretrained(tmp_path / "model")
    with pytest.raises(RecipeError, match="takes no images of 40 pixels"):
        choose(f"transformers:{tmp_path / 'model'}", 40, None).backbone(0, 40, True)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(RecipeError, match=r"gmssl\[sam\]"):
        choose("transformers:x", 32, None).backbone(0, 32, True)
