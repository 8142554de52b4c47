"""Weights from files: those that fit are found under any training's prefix, all others are refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

import gmssl
from gmssl.errors import RecipeError
from gmssl.parts.encoders.weights import UnfitError, freed, header, load_strictly

SOURCE = "resnet18"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    return timm.create_model(SOURCE, num_classes=10).state_dict()


def built(file: Path, **settings: object) -> torch.nn.Module:
    return gmssl.part("encoder", "timm", **{"name": SOURCE, "weights": file, **settings}).build()


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "backbone.",
        "encoder.",
        "model.",
        "module.encoder_q.",
        "_orig_mod.module.backbone.",
        "objective.encoder.network.",
    ],
)
def test_prefixes_of_other_trainings_are_removed(tmp_path: Path, weights: dict[str, torch.Tensor], prefix: str) -> None:
    beside = {"momentum_net.conv1.weight": torch.zeros(1), "projector.0.weight": torch.zeros(1)}
    torch.save({"state_dict": {prefix + k: v for k, v in weights.items()} | beside, "epoch": 3}, tmp_path / "w.pth")
    encoder = built(tmp_path / "w.pth")
    assert all(torch.equal(v, weights[k]) for k, v in encoder.network.state_dict().items())
    assert encoder.loaded.prefix == prefix
    assert encoder.loaded.tensors == len(encoder.network.state_dict())
    assert set(encoder.loaded.left_over) == {"fc.weight", "fc.bias", *beside}
    assert repr(prefix) in str(encoder.loaded)
    assert "fc.weight" in str(encoder.loaded)


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "teacher", "student"])
def test_wrappers_are_opened(tmp_path: Path, weights: dict[str, torch.Tensor], wrapper: str) -> None:
    torch.save({wrapper: weights, "args": {"lr": 0.1}}, tmp_path / "w.pth")
    assert torch.equal(built(tmp_path / "w.pth").network.conv1.weight, weights["conv1.weight"])


def without(weights: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {k: v for k, v in weights.items() if k != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda w: without(w, "layer1.0.conv1.weight"),
            r"1 of the network's tensors are missing: layer1",
        ),
        (lambda w: w | {"extra.weight": torch.zeros(2)}, r"1 are unexpected: extra.weight"),
        (lambda w: w | {"bn1.weight": torch.zeros(3)}, r"bn1.weight \(the file has 3, the network 64\)"),
        (lambda w: {f"unheard_of.{k}": v for k, v in w.items()}, r"0 of its 122 tensors fit.*122 are unexpected"),
        (lambda w: timm.create_model("resnet34").state_dict(), r"are unexpected: layer1.2"),
    ],
)
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_anything_that_does_not_fit_is_refused(tmp_path: Path, weights, change, said: str, suffix: str) -> None:
    file = tmp_path / f"w.{suffix}"
    save_file(change(weights), file) if suffix == "safetensors" else torch.save(change(weights), file)
    with pytest.raises(RecipeError, match=rf"does not fit resnet18.*{said}.*Give a file"):
        built(file)


@pytest.mark.parametrize(("of_file", "of_model"), [(3, 1), (1, 3)])
def test_the_first_convolution_is_adapted_to_the_channels(tmp_path: Path, of_file: int, of_model: int) -> None:
    source = timm.create_model(SOURCE, in_chans=of_file, num_classes=0).eval()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    encoder = built(tmp_path / "w.safetensors", in_channels=of_model).eval()
    assert encoder.loaded.adapted == ("conv1.weight",)
    grey = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            encoder.network(grey.expand(-1, of_model, -1, -1)),
            source(grey.expand(-1, of_file, -1, -1)),
            atol=1e-3,
            rtol=1e-3,
        )


def test_position_embeddings_of_another_size_are_resampled(tmp_path: Path) -> None:
    source = timm.create_model("vit_tiny_patch16_224", num_classes=5)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    encoder = built(tmp_path / "w.safetensors", name="vit_tiny_patch16_224", image_size=96)
    assert encoder.network.pos_embed.shape[1] == 1 + 36
    assert encoder.loaded.adapted == ("pos_embed",)
    assert torch.equal(encoder.network.blocks[3].mlp.fc1.weight, source.blocks[3].mlp.fc1.weight)


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("the file ran code",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bomb.pth", pickle.dumps(Bomb())),
        ("text.pth", b"text"),
        ("short.safetensors", b"short"),
        ("text.safetensors", b"\x04\0\0\0\0\0\0\0text"),
    ],
)
def test_files_without_weights_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeError, match=rf"{name}.*(refused|damaged)"):
        built(tmp_path / name)


def test_a_header_is_read_without_the_tensors(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, 3)}, tmp_path / "w.safetensors")
    assert header(tmp_path / "w.safetensors") == {"a": (2, 3)}
    cut = (tmp_path / "w.safetensors").read_bytes()[:-4]
    (tmp_path / "w.safetensors").write_bytes(cut)
    with pytest.raises(UnfitError, match="damaged"):
        header(tmp_path / "w.safetensors")


def test_the_prefix_with_most_of_the_names_wins() -> None:
    weights = {"encoder.a": 1, "encoder.b": 2, "module.a": 3}
    assert freed(weights, ["a", "b"]) == ("encoder.", {"a": 1, "b": 2}, ("module.a",))


class Remembers(torch.nn.Linear):
    """Keeps a state beside its tensors, as the centroids of earlier epochs do."""

    def get_extra_state(self) -> dict[str, int]:
        return {"epoch": self.out_features}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.epoch = state["epoch"]


def test_a_state_that_is_no_tensor_is_loaded_with_the_weights() -> None:
    source, module = Remembers(2, 3), Remembers(2, 3)
    load_strictly(module, source.state_dict(), "a file")
    torch.testing.assert_close(module.weight, source.weight)
    assert module.epoch == 3


def test_a_state_where_a_tensor_belongs_is_refused() -> None:
    weights = {**Remembers(2, 3).state_dict(), "bias": {"epoch": 3}}
    with pytest.raises(UnfitError, match=r"bias \(the file has no tensor, the network 3\)"):
        load_strictly(Remembers(2, 3), weights, "a file")
