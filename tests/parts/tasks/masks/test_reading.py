"""Mask files of all kinds that archives hold, and those that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.masks.pictures import write_labels, write_picture
from gmssl.parts.tasks.masks.reading import counted, grey_values, label_map

SQUARE = np.kron(np.array([[0, 1], [2, 0]], np.uint8), np.ones((3, 4), np.uint8))


def saved(path: Path, values: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def case(**files: Path) -> Case:
    return Case("a", {"image": Path("a.png"), **files})


def test_numbers_are_those_of_the_file(tmp_path) -> None:
    grey = saved(tmp_path / "grey.png", SQUARE * 100)
    assert (grey_values(grey) == SQUARE * 100).all()
    bits = saved(tmp_path / "bits.png", (SQUARE > 0).astype(np.uint8) * 255, "1")
    assert (grey_values(bits) == (SQUARE > 0) * 255).all()
    palette = Image.fromarray(SQUARE).convert("P")
    palette.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    palette.putdata(SQUARE.ravel().tolist())
    palette.save(tmp_path / "palette.png")
    assert (grey_values(tmp_path / "palette.png") == SQUARE).all()
    deep = saved(tmp_path / "deep.png", SQUARE.astype(np.uint16) * 1000)
    assert (grey_values(deep) == SQUARE.astype(int) * 1000).all()
    colours = saved(tmp_path / "rgb.png", np.repeat(SQUARE[..., None] * 100, 3, axis=2))
    assert (grey_values(colours) == SQUARE * 100).all()


def test_one_class_is_all_that_is_not_zero(tmp_path) -> None:
    path = saved(tmp_path / "mask.png", (SQUARE == 1).astype(np.uint8) * 255)
    assert (label_map(case(mask=path), {}) == (SQUARE == 1)).all()
    assert (counted(path) == (SQUARE == 1)).all()


def test_classes_are_numbers_of_one_file(tmp_path) -> None:
    path = saved(tmp_path / "mask.png", SQUARE * 100)
    found = label_map(case(mask=path), {"lung": (200,), "heart": (100, 50)})
    assert (found == np.array([0, 2, 1])[SQUARE]).all()
    assert found.dtype == np.uint8


def test_classes_are_files_of_their_own(tmp_path) -> None:
    one = saved(tmp_path / "one.png", (SQUARE == 1).astype(np.uint8))
    two = saved(tmp_path / "two.png", (SQUARE == 2).astype(np.uint8) * 255)
    classes = {"all": ("left", "right", "third")}
    assert (label_map(case(left=one, right=two), classes) == (SQUARE > 0)).all()
    whole = saved(tmp_path / "whole.png", np.ones_like(SQUARE))
    assert (label_map(case(body=whole, organ=two), {"body": ("body",), "organ": ("organ",)}) == 1 + (SQUARE == 2)).all()


def test_a_threshold_reads_masks_with_soft_edges(tmp_path) -> None:
    soft = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8)
    path = saved(tmp_path / "mask.png", soft)
    assert (label_map(case(mask=path), {}, 127) == (soft > 127)).all()
    with pytest.raises(DataError, match="63 values other than 0"):
        label_map(case(mask=path), {})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (SQUARE * 100, "holds 2 values other than 0"),
        (np.dstack([SQUARE, SQUARE * 2, SQUARE]), "colour image"),
        (SQUARE.astype(np.float32), "not whole"),
    ],
)
def test_other_masks_are_refused(tmp_path, values, message) -> None:
    path = tmp_path / "mask.tif"
    Image.fromarray(values).save(path)
    with pytest.raises(DataError, match=message):
        label_map(case(mask=path), {})


def test_values_of_no_class_are_named(tmp_path) -> None:
    path = saved(tmp_path / "mask.png", SQUARE)
    with pytest.raises(DataError, match=r"mask\.png holds the values 2, which are of no class"):
        label_map(case(mask=path), {"one": (1,)})


def test_missing_and_damaged_files_are_named(tmp_path) -> None:
    with pytest.raises(DataError, match="a has no file of the role 'mask'"):
        label_map(case(), {})
    with pytest.raises(DataError, match="a has no file of the roles 'left', 'right'"):
        label_map(case(), {"lung": ("left", "right")})
    (tmp_path / "mask.png").write_bytes(b"not an image")
    with pytest.raises(DataError, match=r"mask\.png cannot be read as a mask"):
        label_map(case(mask=tmp_path / "mask.png"), {})
    one, two = saved(tmp_path / "1.png", SQUARE), saved(tmp_path / "2.png", SQUARE[1:])
    with pytest.raises(DataError, match=r"2\.png has 8×5 pixels, other masks of a have 8×6"):
        label_map(case(left=one, right=two), {"lung": ("left", "right")})


def test_pictures_and_labels_are_written(tmp_path) -> None:
    image = Image.new("L", (40, 30), 90)
    truth, predicted = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
    truth[5:20, 5:20], predicted[8:24, 4:20] = 1, 1
    path = write_picture(tmp_path / "new" / "a.png", image, truth, predicted, ["cell"], "a  Dice 0.8", truth < 2)
    with Image.open(path) as picture:
        assert picture.width > 4 * 200
    assert (grey_values(write_labels(tmp_path / "new" / "b.png", predicted)) == predicted).all()
