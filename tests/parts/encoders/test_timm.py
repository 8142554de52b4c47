"""Encoders by timm's names."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

import gmssl
from gmssl.errors import RecipeError

NARROW = {"name": "resnet18", "in_channels": 1, "channels": (8, 16, 16, 32), "output_stride": 16}


@pytest.mark.parametrize(
    ("settings", "size", "map_shape", "channels"),
    [
        (NARROW, 64, (32, 4, 4), 32),
        ({"name": "resnet18"}, 64, (512, 2, 2), 512),
        ({"name": "vit_tiny_patch16_224", "any_image_size": True}, 96, (192, 6, 6), 192),
        ({"name": "samvit_base_patch16", "image_size": 64}, 64, (256, 4, 4), 256),
        ({"name": "swin_tiny_patch4_window7_224", "image_size": 224}, 224, (768, 7, 7), 768),
    ],
)
def test_maps_and_pooled_features(
    settings: dict[str, object], size: int, map_shape: tuple[int, ...], channels: int
) -> None:
    encoder = gmssl.part("encoder", "timm", **settings).build().eval()
    images = torch.randn(2, settings.get("in_channels", 3), size, size)
    with torch.no_grad():
        map_, pooled = encoder(images)
        expected = encoder.network(images)
    assert map_.shape == (2, *map_shape)
    assert pooled.shape == (2, channels)
    assert encoder.channels == channels
    assert getattr(encoder, "map_channels", channels) == map_shape[0]
    torch.testing.assert_close(pooled, expected)


def test_map_of_a_transformer_keeps_rows_and_columns() -> None:
    """Changing one image patch changes its own cell most."""
    encoder = gmssl.part("encoder", "timm", name="vit_tiny_patch16_224", any_image_size=True).build().eval()
    images = torch.randn(1, 3, 64, 96)
    changed = images.clone()
    changed[:, :, 16:32, 64:80] += 3.0
    with torch.no_grad():
        difference = (encoder(images)[0] - encoder(changed)[0]).norm(dim=1)[0]
    assert difference.shape == (4, 6)
    assert divmod(int(difference.argmax()), 6) == (1, 4)


def test_sam_before_its_neck_has_the_width_of_the_transformer() -> None:
    encoder = gmssl.part("encoder", "timm", name="samvit_base_patch16", image_size=64, before_neck=True).build()
    images = torch.randn(1, 3, 64, 64)
    map_, pooled = encoder(images)
    assert (map_.shape, pooled.shape, encoder.channels) == ((1, 768, 4, 4), (1, 768), 768)
    torch.testing.assert_close(encoder.network.neck(map_), encoder.network.forward_features(images))
    pooled.sum().backward()
    untrained = [
        name for name, weight in encoder.network.named_parameters() if weight.requires_grad and weight.grad is None
    ]
    assert untrained == []  # DDP would wait for them
    plain = timm.create_model("samvit_base_patch16", img_size=64, num_classes=0)
    plain.load_state_dict(encoder.network.state_dict(), strict=True)


def test_weights_load_strictly_into_timm() -> None:
    encoder = gmssl.part("encoder", "timm", name="resnet18", in_channels=3).build()
    plain = timm.create_model("resnet18", num_classes=0)
    plain.load_state_dict(encoder.network.state_dict(), strict=True)


def test_weights_from_a_file(tmp_path: Path) -> None:
    source = timm.create_model("resnet18", num_classes=1000)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    encoder = gmssl.part("encoder", "timm", name="resnet18", weights=tmp_path / "weights.pth").build()
    torch.testing.assert_close(encoder.network.conv1.weight, source.conv1.weight)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "resnet5"}, "near names are"),
        ({"name": "resnet18", "image_size": 64}, "image_size"),
        ({"name": "vit_tiny_patch16_224", "output_stride": 16}, "output_stride"),
        ({"name": "resnet18", "before_neck": True}, "has no neck"),
        ({"name": "resnet18", "weights": "nowhere.pth"}, "no file nowhere.pth"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        gmssl.part("encoder", "timm", **settings).build()


def test_a_file_that_holds_no_weights_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(RecipeError, match=r"text\.pth.*Give a file with the weights of that model"):
        gmssl.part("encoder", "timm", name="resnet18", weights=tmp_path / "text.pth").build()


@pytest.mark.parametrize("channels", [[8], [8, 8, 8, 8, 8]])
def test_channels_are_those_of_four_stages(channels: list[int]) -> None:
    with pytest.raises(RecipeError, match="channels"):
        gmssl.part("encoder", "timm", name="resnet18", channels=channels)


def test_weights_that_cannot_be_had_name_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host\nand a long traceback of the hub")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(RecipeError, match=r"no route to host\. .*encoder\.pretrained=false"):
        gmssl.part("encoder", "timm", name="resnet18", pretrained=True).build()
