"""Weights of other libraries: the networks are theirs, so that outputs can be compared, not only names."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
import torchvision

import gmssl
from gmssl.errors import RecipeError
from gmssl.parts.encoders.dialects import DIALECTS, understood


def saved(path: Path, weights: dict[str, torch.Tensor], prefix: str = "") -> Path:
    torch.save({f"{prefix}{name}": value for name, value in weights.items()}, path)
    return path


def loaded(name: str, file: Path, **settings: object) -> torch.nn.Module:
    return gmssl.part("encoder", "timm", name=name, weights=file, **settings).build().eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def resnet() -> torch.nn.Module:
    torch.manual_seed(1)
    network = torchvision.models.resnet18()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
    return network.eval()


@pytest.mark.parametrize("prefix", ["", "backbone.", "module.backbone.", "online_network._orig_mod."])
def test_a_sequence_of_children_is_a_resnet(tmp_path: Path, images: torch.Tensor, resnet, prefix: str) -> None:
    sequence = torch.nn.Sequential(*list(resnet.children())[:-1])
    file = saved(tmp_path / "w.pth", sequence.state_dict(), prefix)
    if "online" in prefix:
        with pytest.raises(RecipeError, match="0 of its"):
            loaded("resnet18", file)
        return
    encoder = loaded("resnet18", file)
    torch.testing.assert_close(encoder(images)[1], sequence(images).flatten(1), rtol=1e-4, atol=1e-5)
    assert "a sequence of its children" in str(encoder.loaded)


@pytest.mark.parametrize(
    ("prefix", "beside"),
    [
        ("", ["fc.weight", "fc.bias"]),  # torchvision
        ("module.", ["module.projection_head.0.weight", "module.prototypes.weight"]),  # SwAV
        ("module.encoder_q.", ["module.encoder_k.conv1.weight", "module.queue"]),  # MoCo
        ("module.base_encoder.", ["module.momentum_encoder.conv1.weight", "module.predictor.0.weight"]),  # MoCo v3
        ("module.backbone.", ["module.projector.0.weight"]),  # VICReg and VICRegL
        ("backbone.", ["projector.0.weight", "classifier.weight"]),  # solo-learn
    ],
)
def test_trainings_with_torchvision_s_names(
    tmp_path: Path, images: torch.Tensor, resnet, prefix: str, beside: list[str]
) -> None:
    own = {name: value for name, value in resnet.state_dict().items() if not name.startswith("fc.")}
    weights = {f"{prefix}{name}": value for name, value in own.items()}
    weights |= {name: torch.zeros(2, 3) for name in beside}
    encoder = loaded("resnet18", saved(tmp_path / "w.pth", weights))
    resnet.fc = torch.nn.Identity()
    torch.testing.assert_close(encoder(images)[1], resnet(images), rtol=1e-4, atol=1e-5)
    assert set(encoder.loaded.left_over) == {
        name.removeprefix(prefix) if name.startswith(prefix) else name for name in beside
    }


def test_torchvision_s_transformer(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = torchvision.models.VisionTransformer(32, 16, 2, 3, 192, 768).eval()
    torch.nn.init.normal_(network.encoder.pos_embedding, std=0.5)
    images = torch.rand(2, 3, 32, 32)
    (tmp_path / "w.pth").write_bytes(b"")
    weights = network.state_dict()
    ours = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=0).eval()
    dialect, _, below, _ = understood(weights, ours.state_dict())
    assert "torchvision" in dialect.who
    assert set(below) - set(ours.state_dict()) == {"head.weight", "head.bias"}
    ours.load_state_dict({name: value for name, value in below.items() if not name.startswith("head.")})
    network.heads = torch.nn.Identity()
    torch.testing.assert_close(ours(images), network(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "image_encoder.", "module.image_encoder."])
def test_sam_s_image_encoder_with_and_without_its_prefix(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(3)
    ours = timm.create_model("samvit_base_patch16", img_size=32, depth=1, embed_dim=24, num_heads=2, num_classes=0)
    weights = {f"{prefix}{name}".replace(".mlp.fc", ".mlp.lin"): v for name, v in ours.state_dict().items()}
    if prefix:
        weights["mask_decoder.iou_token.weight"] = torch.zeros(1)
    dialect, _, below, beside = understood(weights, ours.state_dict())
    assert "Segment Anything" in dialect.who
    assert set(below) == set(ours.state_dict())
    assert beside == ("mask_decoder.iou_token.weight",) * bool(prefix)
    assert all(torch.equal(value, below[name]) for name, value in ours.state_dict().items())


def test_names_of_timm_are_left_alone() -> None:
    for model in ("resnet18", "vit_tiny_patch16_224", "tf_efficientnet_lite0", "convnext_atto", "samvit_base_patch16"):
        with torch.device("meta"):
            names = timm.create_model(model, num_classes=0).state_dict()
        dialect, prefix, below, beside = understood(names, names)
        assert (dialect, prefix, beside) == (DIALECTS[0], "", ())
        assert list(below) == list(names)
