"""`gmssl embed`: features as a file; wrong input is one message, and writes nothing."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.recipe.recipe import load_recipe


def call(*arguments):
    return CliRunner().invoke(app, ["embed", *map(str, arguments)])


@pytest.fixture
def run(tmp_path, settings_of_a_recipe):
    folder = tmp_path / "run"
    folder.mkdir()
    encoder = {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 8]}
    recipe = load_recipe(
        {**settings_of_a_recipe, "encoder": encoder, "views": {"kind": "multi_crop", "large_size": 32}}
    )
    (folder / "recipe.yaml").write_text(recipe.dump())
    torch.manual_seed(7)
    weights = recipe.encoder.build().network.state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "encoder.safetensors")
    return folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    random = np.random.default_rng(0)
    for name in ("cat/0.png", "cat/1.png", "loose.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (40, 40), dtype=np.uint8)).save(folder / name)
    (folder / "cat" / "broken.png").write_bytes(b"no image")
    rows = ["path,label,patient,split", "cat/0.png,cat,p1,train", "cat/1.png,,p2,test", "loose.png,dog,,test"]
    (folder / "index.csv").write_text("\n".join(rows))
    return folder


def test_images_of_a_folder(run, images, tmp_path):
    out = tmp_path / "features.npz"
    done = call(run, images, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}\n"
    assert "left out, unreadable: cat/broken.png" in done.stderr
    assert "features: 4 images" in done.stderr
    with np.load(out) as file:
        assert file["paths"].tolist() == ["cat/0.png", "cat/1.png", "loose.png"]
        assert file["labels"].tolist() == ["cat", "cat", ""]
        assert file["features"].shape == (3, 8)


def test_rows_of_a_manifest_and_a_model_of_timm(run, images, tmp_path):
    out = tmp_path / "features.csv"
    chosen = (images / "index.csv", "--where", "split=test", "--out", out)
    assert call(run, *chosen).exit_code == 0
    lines = out.read_text().splitlines()
    assert lines[0] == "path,label,patient," + ",".join(f"f{i}" for i in range(8))
    assert [line.split(",")[:3] for line in lines[1:]] == [["cat/1.png", "", "p2"], ["loose.png", "dog", ""]]
    done = call("--encoder", "test_resnet", "--random", "--size", 32, "--channels", 1, *chosen, "--overwrite")
    assert done.exit_code == 0, done.output
    assert "random weights, seed 0" in done.stderr
    assert out.read_text().splitlines()[1:] != lines[1:]


def test_wrong_input_is_one_message_and_writes_nothing(run, images, tmp_path, refusal):
    out = tmp_path / "features.csv"
    refusal(call(run, tmp_path / "absent", "--out", out), "there is no folder")
    refusal(call(tmp_path / "absent", images, "--out", out), "there is no run folder")
    refusal(call(run, images, "--where", "split=test", "--out", out), "name the manifest, not a folder")
    refusal(call(run, images, "--out", tmp_path / "features.xlsx"), "does not end in .parquet, .npz, .csv")
    refusal(call("--encoder", "resnet81", "--random", images, "--out", out), "has no model")
    narrow = run / "encoder.safetensors"
    refusal(call("--encoder", "resnet18", "--weights", narrow, images, "--out", out), "does not fit")
    out.write_text("old")
    refusal(call(run, images, "--out", out), "--overwrite")
    assert out.read_text() == "old"
    (images / "only").mkdir()
    (images / "only" / "broken.png").write_bytes(b"no image")
    refusal(call(run, images / "only", "--out", out, "--overwrite"), "is readable")
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["features.csv", "images", "run"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--encoder", "resnet18", "IMAGES"), "random ones are meant"),
        (("--encoder", "resnet18", "--random", "--pretrained", "IMAGES"), "are different weights"),
        (("--encoder", "resnet18", "--random", "RUN", "IMAGES"), "IMAGES alone"),
        (("--encoder", "resnet18", "--random", "--channels", "2", "IMAGES"), "1 or 3"),
        (("RUN", "IMAGES", "--size", "32"), "--size belongs to --encoder"),
        (("IMAGES",), "give RUN and IMAGES"),
        (("RUN", "IMAGES", "--where", "split"), "is not of the form"),
    ],
)
def test_options_that_contradict_each_other(options, said, tmp_path):
    done = call(*options, "--out", tmp_path / "features.csv")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not list(tmp_path.iterdir())
