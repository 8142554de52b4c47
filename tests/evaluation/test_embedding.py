"""Frozen encoders of runs and of timm, and features as files of three formats."""

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gmssl.errors import DataError, RecipeError, TrainingError
from gmssl.evaluation import embedding
from gmssl.evaluation.embedding import Embedding, embed, refuse_names, refuse_out, write
from gmssl.evaluation.encoders import load_encoder, timm_encoder
from gmssl.evaluation.features import extract
from gmssl.evaluation.runs import run_recipe, trained
from gmssl.interfaces.data import Record
from gmssl.recipe.recipe import load_recipe

MEAN, STD = (0.3,), (0.2,)


@pytest.fixture
def run(tmp_path, settings_of_a_recipe):
    folder = tmp_path / "run"
    folder.mkdir()
    encoder = {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 8]}
    views = {"kind": "multi_crop", "large_size": 32, "mean": MEAN, "std": STD}
    recipe = load_recipe({**settings_of_a_recipe, "encoder": encoder, "views": views})
    (folder / "recipe.yaml").write_text(recipe.dump())
    torch.manual_seed(7)
    weights = recipe.encoder.build().network.state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "encoder.safetensors")
    return folder


def test_an_encoder_of_a_run_knows_its_images_and_stays_frozen(run):
    for place in (run, str(run), run / "encoder.safetensors"):
        encoder = load_encoder(place)
        assert (encoder.image_size, encoder.in_channels, encoder.mean, encoder.std) == (32, 1, MEAN, STD)
    assert not encoder.train().training
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    images = torch.rand(2, 1, 32, 32)
    expected = trained(run, run_recipe(run))[0].eval()(images)
    assert all(torch.equal(a, b) for a, b in zip(encoder(images), expected, strict=True))


def test_one_number_for_all_channels_is_one_each(run):
    recipe = (run / "recipe.yaml").read_text().replace("in_channels: 1", "in_channels: 3")
    (run / "recipe.yaml").write_text(recipe)
    weights = load_recipe(run / "recipe.yaml").encoder.build().network.state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, run / "encoder.safetensors")
    encoder = load_encoder(run)
    assert (encoder.mean, encoder.std) == (MEAN * 3, STD * 3)


def test_what_is_no_run_is_refused(run, tmp_path):
    other = tmp_path / "encoder.safetensors"
    other.write_bytes((run / "encoder.safetensors").read_bytes())
    with pytest.raises(TrainingError, match=r"recipe.yaml beside it"):
        load_encoder(other)
    with pytest.raises(TrainingError, match="there is no run folder"):
        load_encoder(tmp_path / "absent")


def test_a_model_of_timm_has_its_own_statistics(tmp_path):
    encoder = timm_encoder("test_vit")
    assert (encoder.image_size, encoder.in_channels) == (160, 3)
    assert encoder.mean == (0.5, 0.5, 0.5)
    grey = timm_encoder("test_vit", size=32, channels=1)
    assert grey.mean == (0.5,)
    assert grey(torch.zeros(1, 1, 32, 32))[1].shape == (1, 64)
    with pytest.raises(RecipeError, match="has no model"):
        timm_encoder("resnet81")
    with pytest.raises(RecipeError, match="no file"):
        timm_encoder("resnet18", weights=tmp_path / "absent.pth")


def test_exported_weights_take_the_statistics_beside_them(tmp_path, settings_of_a_recipe):
    encoder = {"kind": "timm", "name": "test_resnet", "in_channels": 1}
    views = {"kind": "multi_crop", "large_size": 48, "mean": MEAN, "std": STD}
    recipe = load_recipe({**settings_of_a_recipe, "encoder": encoder, "views": views})
    (tmp_path / "recipe.yaml").write_text(recipe.dump())
    weights = {name: value.contiguous() for name, value in recipe.encoder.build().network.state_dict().items()}
    for name in ("encoder.safetensors", "moved.safetensors"):
        save_file(weights, tmp_path / name)
    found = timm_encoder("test_resnet", weights=tmp_path / "encoder.safetensors")
    assert (found.image_size, found.in_channels, found.mean, found.std) == (48, 1, MEAN, STD)
    assert timm_encoder("test_resnet", weights=tmp_path / "moved.safetensors", channels=1).mean != MEAN


def test_features_are_those_of_an_evaluation(run, squares):
    images = squares(6, patients=3)
    images.records[1] = Record("1.png")
    images.pixels[4] = None
    found = embed(load_encoder(run), images, device=torch.device("cpu"))
    recipe = run_recipe(run)
    expected, indices = extract(trained(run, recipe)[0], images, recipe.views, 1, 32)
    assert indices.tolist() == [0, 1, 2, 3, 5]
    assert np.array_equal(found.features, expected.numpy())
    assert found.paths == ("0.png", "1.png", "2.png", "3.png", "5.png")
    assert found.labels == ("left", None, "left", "top", "top")
    assert found.patients == ("p0", None, "p2", "p0", "p2")
    assert found.unreadable == ("4.png",)


@pytest.fixture
def found():
    features = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32) * np.float32(1e-3)
    return Embedding(("a, b.png", "ü.png", 'c"\n.png'), ("x", None, "y"), (None, "1", "2"), features, ())


def read(path):
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return [*(file[name].tolist() for name in ("paths", "labels", "patients")), file["features"]]
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        assert header == ["path", "label", "patient", "f0", "f1", "f2", "f3", "f4"]
        paths, labels, patients, *columns = zip(*rows, strict=True)
        return [list(paths), list(labels), list(patients), np.array(columns, dtype=np.float32).T]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(path)
    kind = table.schema.field("features").type
    assert (str(kind.value_type), kind.list_size) == ("float", 5)
    columns = [[text or "" for text in table[name].to_pylist()] for name in ("path", "label", "patient")]
    return [*columns, np.array(table["features"].to_pylist(), dtype=np.float32)]


@pytest.mark.parametrize("ending", ["parquet", "npz", "csv"])
def test_formats_read_back_equal(found, tmp_path, ending):
    out = tmp_path / f"features.{ending}"
    write(found, out)
    paths, labels, patients, features = read(out)
    assert tuple(paths) == found.paths
    assert labels == ["x", "", "y"]
    assert patients == ["", "1", "2"]
    assert features.dtype == np.float32
    assert np.array_equal(features, found.features)
    assert [p.name for p in tmp_path.iterdir()] == [out.name]


def test_what_cannot_be_written_is_told_before(found, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"does not end in .parquet, .npz, .csv"):
        refuse_out(tmp_path / "features.txt")
    with pytest.raises(DataError, match="there is no folder"):
        refuse_out(tmp_path / "absent" / "features.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        refuse_out(tmp_path / "folder.csv")
    (tmp_path / "old.csv").write_text("old")
    with pytest.raises(DataError, match="--overwrite"):
        refuse_out(tmp_path / "old.csv")
    refuse_out(tmp_path / "old.csv", overwrite=True)
    monkeypatch.setattr(embedding, "find_spec", lambda package: None)
    with pytest.raises(DataError, match=r"pip install 'gmssl\[parquet\]'"):
        refuse_out(tmp_path / "features.parquet")
    refuse_out(tmp_path / "features.npz")


def test_names_that_are_no_text_are_refused(memory_images):
    with pytest.raises(DataError, match=r"no text in UTF-8"):
        refuse_names(memory_images([None], [Record("\udcff.png")]))
