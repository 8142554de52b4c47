"""What is exported is opened by the program that it is for, and gives the same features there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.downstream.encoders import choose
from gmssl.errors import DataError, RecipeError
from gmssl.evaluation.encoders import load_encoder
from gmssl.evaluation.exporting.export import FORMS, export
from gmssl.recipe.recipe import load_recipe

GREY = ["encoder={kind: timm, name: resnet18, in_channels: 1, channels: [8, 8, 8, 16], output_stride: 16}"]
COLOUR = ["encoder={kind: timm, name: resnet18, in_channels: 3}"]
VIT = ["encoder={kind: timm, name: vit_base_patch16_224, in_channels: 3, image_size: 32}"]
SAM = ["encoder={kind: timm, name: samvit_base_patch16, in_channels: 3, image_size: 32}"]


def run_of(folder: Path, *overrides: str) -> Path:
    """A run folder as training leaves it: the recipe, and weights that are all different."""
    recipe = load_recipe("quickstart", [*overrides, "views.large_size=32"])
    folder.mkdir()
    (folder / "recipe.yaml").write_text(recipe.dump())
    torch.manual_seed(0)
    network = recipe.encoder.build().network
    state = {
        name: value + 0.01 * torch.rand(value.shape) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "encoder.safetensors")
    return folder


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    return run_of(tmp_path / "run", *GREY)


def features(run: Path) -> tuple[torch.Tensor, torch.Tensor]:
    encoder = load_encoder(run)
    images = torch.rand(3, encoder.in_channels, 32, 32)
    return images, encoder(images)[1]


def test_timm(grey: Path) -> None:
    network = timm.create_model("resnet18", in_chans=1, num_classes=0, channels=[8, 8, 8, 16], output_stride=16).eval()
    network.load_state_dict(load_file(export(grey, "timm")))
    images, expected = features(grey)
    torch.testing.assert_close(network(images), expected)


def test_torchvision_s_resnet(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", *COLOUR)
    network = torchvision.models.resnet18()
    network.fc = torch.nn.Identity()
    network.load_state_dict(torch.load(export(run, "torchvision"), weights_only=True))
    images, expected = features(run)
    torch.testing.assert_close(network.eval()(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_torchvision_s_transformer(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", *VIT)
    network = torchvision.models.vit_b_16(image_size=32)
    network.heads = torch.nn.Identity()
    network.load_state_dict(torch.load(export(run, "torchvision"), weights_only=True))
    images, expected = features(run)
    torch.testing.assert_close(network.eval()(images), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_sam_s_names_are_read_again(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", *SAM)
    weights = torch.load(export(run, "sam"), weights_only=True)
    assert all(name.startswith("image_encoder.") for name in weights)
    assert "image_encoder.blocks.0.mlp.lin1.weight" in weights
    again = run_of(tmp_path / "again", *SAM)
    recipe = load_recipe(again / "recipe.yaml", [f"encoder.weights={run / 'export' / 'encoder-sam.pth'}"])
    found = recipe.encoder.build().network.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in load_file(run / "encoder.safetensors").items())


@pytest.mark.parametrize("settings", [GREY, pytest.param(VIT, marks=pytest.mark.slow)])
def test_onnx_of_any_batch(tmp_path: Path, settings: list[str]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    run = run_of(tmp_path / "run", *settings)
    path = export(run, "onnx")
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # the weights are in it
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images, expected = features(run)
    for count in (1, 2, 3):
        _, found = session.run(None, {"images": images[:count].numpy()})
        torch.testing.assert_close(torch.from_numpy(found), expected[:count], rtol=1e-4, atol=1e-4)


def test_a_folder_of_the_hub(grey: Path, tmp_path: Path) -> None:
    score = {"mean": 0.5, "deviation": 0.1}
    result = {
        "benchmark": "brain",
        "encoder": {"name": "RUN"},
        "main": "accuracy",
        "scores": {"accuracy": score},
        "beside": [],
    }
    (tmp_path / "r.json").write_text(json.dumps(result))
    folder = export(grey, "hf", tmp_path / "hub", [tmp_path / "r.json"])
    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images, expected = features(grey)
    torch.testing.assert_close(network(images), expected)
    assert tuple(network.pretrained_cfg["mean"]) == load_encoder(grey).mean
    assert network.pretrained_cfg["input_size"] == (1, 32, 32)
    text = (folder / "README.md").read_text()
    assert "| brain | RUN | accuracy | 0.5000 ± 0.1000 |" in text
    assert "phantoms" in text
    assert load_recipe(folder / "recipe.yaml") == load_recipe(grey / "recipe.yaml")


@pytest.mark.parametrize(
    ("form", "settings", "message"),
    [
        ("torchvision", GREY, "no network that these weights fit"),
        ("torchvision", ["encoder={kind: timm, name: tf_efficientnet_lite0, in_channels: 3}"], "it knows no model"),
        ("sam", GREY, "resnet18 is no image encoder of Segment Anything"),
        ("timn", GREY, "did you mean 'timm'"),
    ],
)
def test_encoders_without_such_a_form_are_refused(tmp_path: Path, form: str, settings: list[str], message: str) -> None:
    run = run_of(tmp_path / "run", *settings)
    with pytest.raises(RecipeError, match=message):
        export(run, form)
    assert not list((run / "export").iterdir() if (run / "export").exists() else [])


def test_nothing_is_overwritten_and_names_are_checked(grey: Path, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_text("mine")
    with pytest.raises(RecipeError, match=r"exists\. Remove it"):
        export(grey, "timm", tmp_path / "w.safetensors")
    with pytest.raises(RecipeError, match=r"ends in .onnx"):
        export(grey, "onnx", tmp_path / "w.pth")
    with pytest.raises(RecipeError, match="--results are for"):
        export(grey, "timm", None, [tmp_path / "r.json"])
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(DataError, match="holds no results"):
        export(grey, "hf", tmp_path / "hub", [tmp_path / "r.json"])
    assert not (tmp_path / "hub").exists()


def test_without_its_libraries_onnx_names_the_extra(grey: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RecipeError, match=r"needs onnxruntime. Install .*gmssl\[onnx\]"):
        export(grey, "onnx")


def test_the_command_prints_where_it_is(grey: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(grey), "--to", "timm"])
    assert done.exit_code == 0
    assert done.output.strip() == str(grey / "export" / "encoder-timm.safetensors")
    done = CliRunner().invoke(app, ["export", str(grey / "lost"), "--to", "timm"])
    assert done.exit_code == 2
    assert set(FORMS) == {"timm", "torchvision", "sam", "onnx", "hf"}


def test_a_folder_of_the_hub_is_an_encoder_of_benchmarks(grey: Path, tmp_path: Path) -> None:
    folder = export(grey, "hf", tmp_path / "hub")
    backbone = choose(f"hf:{folder}", 32, None).backbone(0, 32, True)
    assert backbone is not None
    images, expected = features(grey)
    torch.testing.assert_close(backbone(images), expected)
    assert backbone.mean == load_encoder(grey).mean


def test_a_folder_that_timm_does_not_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match=r"cannot be opened by timm: .*gmssl export --to hf"):
        choose(f"hf:{tmp_path}", 32, None).backbone(0, 32, True)
