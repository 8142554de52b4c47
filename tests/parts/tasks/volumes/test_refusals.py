"""What is wrong with volumes is told before anything is trained, in one message."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("nibabel")

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.volumes.task import VolumeSegmentation
from gmssl.parts.tasks.volumes.whole.task import VolumeNetwork
from tests.parts.tasks.volumes.blobs import SHAPE, blobs, save, turned

ZEROS = np.zeros(SHAPE, np.uint8)


@pytest.fixture
def case(tmp_path):
    return blobs(1, tmp_path / "data")[0]


def message(cases, **settings) -> str:
    with pytest.raises(DataError) as told:
        VolumeSegmentation(size=32, **settings).open(cases, 1)
    return str(told.value)


def other(case, tmp_path, role, values, affine=None, name="other.nii.gz"):
    return Case("other", {**case.files, role: save(tmp_path / name, values, turned() if affine is None else affine)})


def test_masks_elsewhere_are_refused(case, tmp_path) -> None:
    moved = turned()
    moved[2, 3] += 8
    assert "its affine puts a corner 8.0 voxels" in message([other(case, tmp_path, "mask", ZEROS, moved)])
    flipped = turned(flips=(-1, 1, 1))
    assert "resample it to the grid" in message([other(case, tmp_path, "mask", ZEROS, flipped)])
    smaller = message([other(case, tmp_path, "mask", ZEROS[:-1])])
    assert "other.nii.gz of other has 17×14×9 voxels, and the image 18×14×9" in smaller


def test_affines_that_differ_by_rounding_are_one_grid(case, tmp_path) -> None:
    near = turned()
    near[:3, :3] *= 1 + 1e-6
    mask = ZEROS.copy()
    mask[4:9, 4:9, 3:6] = 1
    assert VolumeSegmentation(size=32).open([other(case, tmp_path, "mask", mask, near)], 1).checked


def test_values_of_no_class_are_refused(case, tmp_path) -> None:
    mask = ZEROS.copy()
    mask[3:5], mask[8:9] = 1, 4
    assert "holds the values 0, 1, 4, where one class has one" in message([other(case, tmp_path, "mask", mask)])
    told = message([other(case, tmp_path, "mask", mask)], classes={"a": 1, "b": [2, 3]})
    assert "holds the values 4, which are of no class" in told
    opened = VolumeSegmentation(size=32, classes={"a": 1, "b": 4}).open([other(case, tmp_path, "mask", mask)], 1)
    assert opened.checked[0].voxels == (2 * 14 * 9, 14 * 9)


def test_fractions_and_values_that_are_not_finite_are_refused(case, tmp_path) -> None:
    soft = ZEROS.astype(np.float32)
    soft[3:5], soft[8:9] = 1.0, 0.5
    assert "numbers that are not whole (0.5)" in message([other(case, tmp_path, "mask", soft)])
    soft[8:9] = np.nan
    assert "126 values that are not finite" in message([other(case, tmp_path, "mask", soft)])
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    image[0, 0, 0] = np.nan
    holed = other(case, tmp_path, "image", image)
    assert "1 values that are not finite (NaN)" in message([holed])
    opened = VolumeSegmentation(size=32, not_finite="black").open([holed], 1)
    assert opened.testing([0])[0].image.shape == (1, 32, 32)


def test_masks_without_any_foreground_are_refused(case, tmp_path) -> None:
    empty = other(case, tmp_path, "mask", ZEROS)
    assert "Not one of the 1 masks has a voxel of foreground" in message([empty])
    opened = VolumeSegmentation(size=32).open([case, empty], 1)
    assert opened.facts["volumes without foreground"] == 1
    with pytest.raises(DataError, match="Not one of the 1 training volumes has a voxel"):
        opened.training([1], 0)


def test_series_of_volumes_colours_and_missing_files_are_told_at_once(case, tmp_path) -> None:
    series = other(case, tmp_path, "image", np.zeros((*SHAPE, 3), np.int16))
    without = Case("without", {"image": case.image})
    (tmp_path / "damaged.nii.gz").write_bytes(b"nothing of use")
    damaged = Case("damaged", {**case.files, "image": tmp_path / "damaged.nii.gz"})
    told = message([case, series, without, damaged, without])
    assert "other.nii.gz holds 3 volumes (4-D), where a case has one" in told
    assert "without has no file of the role 'mask'" in told
    assert "damaged.nii.gz cannot be read" in told
    assert "1 more" in told
    assert "has no file of the role 't1post'" in message([case], images=["image", "t1post"])


def test_a_window_without_meaning_names_the_file(case) -> None:
    told = message([case], window="hounsfield")
    assert "0.nii.gz: the window soft_tissue is of Hounsfield units" in told


def test_the_first_mask_role_that_is_there_is_read(case) -> None:
    files = {"image": case.image, "second": case.files["mask"]}
    assert VolumeSegmentation(size=32, masks=["first", "second"]).open([Case("a", files)], 1).checked
    assert "no file of the role 'first' or 'third'" in message([Case("a", files)], masks=["first", "third"])


@pytest.mark.parametrize(
    ("task", "settings", "text"),
    [
        (VolumeSegmentation, {"size": 100}, "multiple of 32"),
        (VolumeSegmentation, {"classes": {"a": 1, "b": 1}}, "stands for two"),
        (VolumeSegmentation, {"classes": {"a": 0}}, "background"),
        (VolumeSegmentation, {"classes": {"a": []}}, "needs a value"),
        (VolumeSegmentation, {"classes": {"a": 1}, "scored": ["b"]}, "there is no class b; there are a"),
        (VolumeSegmentation, {"dice_weight": 0, "cross_entropy_weight": 0}, "nothing would be learnt"),
        (VolumeSegmentation, {"images": ["image", "image"]}, "listed twice"),
        (VolumeSegmentation, {"images": []}, "at least 1"),
        (VolumeSegmentation, {"network": "attention_unet", "decoder_channels": (64, 32, 16, 16, 8)}, "scSE"),
        (VolumeNetwork, {"grid": (24, 96, 96), "patch": (32, 96, 96)}, "larger than the grid"),
        (VolumeNetwork, {"grid": (20, 96, 96)}, "unet needs multiples of 8"),
        (VolumeNetwork, {"grid": (48, 96, 96), "network": "swin_unetr"}, "multiples of 32"),
        (VolumeNetwork, {"grid": (32, 32, 32), "network": "swin_unetr"}, "a single cell"),
        (VolumeNetwork, {"network": "unetr", "hidden_size": 50, "heads": 4}, "no multiple of heads=4"),
        (VolumeNetwork, {"network": "swin_unetr", "feature_size": 20}, "multiple of 12"),
    ],
)
def test_settings_without_sense_are_refused(task, settings, text) -> None:
    with pytest.raises(ValidationError, match=text):
        task(**settings)


def test_each_task_names_the_encoder_that_it_needs(case) -> None:
    with pytest.raises(RecipeError, match="no network of its own"):
        VolumeSegmentation(size=32).open([case], 1).network(None)
    with pytest.raises(RecipeError, match="--encoder own"):
        VolumeNetwork(grid=(8, 16, 16), channels=(4, 8)).open([case], 1).network(object())


@pytest.mark.parametrize("module", ["monai", "einops"])
def test_networks_of_missing_libraries_name_the_extra(case, monkeypatch, module) -> None:
    opened = VolumeNetwork(grid=(8, 16, 16), channels=(4, 8)).open([case], 1)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=r"pip install 'gmssl\[seg\]'"):
        opened.network(None)


@pytest.mark.parametrize("module", ["nibabel", "monai.metrics.utils"])
@pytest.mark.parametrize("task", [VolumeSegmentation(size=32), VolumeNetwork(grid=(8, 16, 16), channels=(4, 8))])
def test_libraries_of_volumes_are_asked_for_before_training(case, monkeypatch, module, task) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=r"MONAI.*pip install 'gmssl\[seg(,med)?\]'"):
        task.open([case], 1)
