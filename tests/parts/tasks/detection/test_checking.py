"""Faulty annotation is told before anything is trained: which file, how many, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.registry import part
from gmssl.parts.tasks.detection.detection import Detection
from gmssl.parts.tasks.images import case_size

WIDTH, HEIGHT = 40, 30


def case_of(folder: Path, boxes: Sequence[tuple[str, Sequence[float]]], name: str = "a", **size: int) -> Case:
    """An image with a Pascal VOC file beside it."""
    image, file = folder / f"{name}.png", folder / f"{name}.xml"
    Image.new("L", (WIDTH, HEIGHT)).save(image)
    sides = {"width": WIDTH, "height": HEIGHT} | size
    objects = "".join(
        f"<object><name>{of}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
        "</object>"
        for of, (a, b, c, d) in boxes
    )
    stated = "".join(f"<{key}>{value}</{key}>" for key, value in sides.items())
    file.write_text(f"<annotation><size>{stated}</size>{objects}</annotation>", encoding="utf-8")
    return Case(name, {"image": image, "boxes": file})


SOUND = ("cell", (1, 1, 10, 10))


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((20, 1, 10, 10), "it is inverted"),
        ((11, 1, 10, 10), "it is without area"),
        ((1, 1, 99, 10), "it is outside of 40×30 pixels"),
        ((0, 1, 9, 9), "it is outside of 40×30 pixels"),
        ((50, 1, 60, 10), "it is outside of 40×30 pixels"),
    ],
)
def test_faulty_boxes_are_told(box: tuple[int, ...], said: str, tmp_path: Path) -> None:
    cases = [case_of(tmp_path, [SOUND, ("cell", box)]), case_of(tmp_path, [SOUND], "b")]
    with pytest.raises(DataError) as told:
        Detection().open(cases, 1)
    text = str(told.value)
    assert text.startswith(f"{tmp_path / 'a.xml'}: 1 of 2 boxes at fault, the first cell")
    assert said in text
    assert "set task.faulty=mend" in text


def test_many_faults_are_counted(tmp_path: Path) -> None:
    cases = [case_of(tmp_path, [("cell", (1, 1, 99, 10))], str(n)) for n in range(5)]
    with pytest.raises(DataError, match="; 2 more"):
        Detection().open(cases, 1)


def test_faulty_boxes_are_mended_and_counted(tmp_path: Path) -> None:
    boxes = [SOUND, ("cell", (31, 21, 99, 99)), ("cell", (20, 1, 10, 10)), ("cell", (50, 1, 60, 10))]
    opened = Detection(faulty="mend").open([case_of(tmp_path, boxes)], 1)
    assert opened.pictures.truths[0].corners == ((0, 0, 10, 10), (30, 20, 40, 30))
    assert (opened.facts["boxes cut off at an edge"], opened.facts["boxes left out"]) == (1, 2)


def test_half_a_pixel_is_rounding(tmp_path: Path) -> None:
    opened = Detection().open([case_of(tmp_path, [("cell", (0.6, 1, 40.4, 30))])], 1)
    assert opened.pictures.truths[0].corners == ((0, 0, 40, 30),)


def test_corners_may_be_edges(tmp_path: Path) -> None:
    opened = Detection(corners="edges").open([case_of(tmp_path, [("cell", (0, 0, 40, 30))])], 1)
    assert opened.pictures.truths[0].corners == ((0, 0, 40, 30),)


def test_unknown_classes_are_told(tmp_path: Path) -> None:
    cases = [case_of(tmp_path, [SOUND, ("cel", (1, 1, 5, 5)), ("dust", (1, 1, 5, 5))])]
    with pytest.raises(DataError) as told:
        Detection(classes=("cell",)).open(cases, 1)
    assert "a.xml: 2 of 3 boxes of unknown classes" in str(told.value)
    assert "'cel' (1 boxes), 'dust' (1 boxes); known are cell" in str(told.value)
    opened = Detection(classes=("cell", "cel"), ignored=("dust",)).open(cases, 1)
    assert opened.classes == ("cell", "cel")
    assert opened.facts["boxes of ignored classes"] == 1
    assert opened.facts["boxes"] == {"cell": 1, "cel": 1}


def test_classes_are_found(tmp_path: Path) -> None:
    boxes = [(name, (1, 1, 5, 5)) for name in ("b", "a", "b")]
    assert Detection().open([case_of(tmp_path, boxes)], 1).classes == ("a", "b")
    numbers = [(name, (1, 1, 5, 5)) for name in ("10", "9")]
    assert Detection().open([case_of(tmp_path, numbers)], 1).classes == ("9", "10")


def test_images_without_boxes_are_negatives(tmp_path: Path) -> None:
    opened = Detection().open([case_of(tmp_path, [SOUND]), case_of(tmp_path, [], "b")], 1)
    assert opened.facts["images without boxes"] == 1
    with pytest.raises(DataError, match="no image has a box"):
        Detection().open([case_of(tmp_path, [])], 1)
    assert Detection(classes=("cell",)).open([case_of(tmp_path, [])], 1).facts["boxes"] == {"cell": 0}


def test_missing_annotation_is_told_or_a_negative(tmp_path: Path) -> None:
    with_boxes, without = case_of(tmp_path, [SOUND]), case_of(tmp_path, [SOUND], "b")
    without = Case("b", {"image": without.image})
    with pytest.raises(DataError, match=r"b has no file of boxes \(set task\.negatives=true"):
        Detection().open([with_boxes, without], 1)
    opened = Detection(negatives=True).open([with_boxes, without], 1)
    assert opened.facts["images without annotation"] == 1
    assert opened.pictures.truths[1].corners == ()


def test_image_that_a_json_does_not_list_is_told(tmp_path: Path, folder_of: Any) -> None:
    (case,) = folder_of([[(0, 0, 9, 9)]])
    (tmp_path / "images" / "new.png").write_bytes(case.image.read_bytes())
    other = Case("new", {"image": tmp_path / "images" / "new.png", "boxes": case.files["boxes"]})
    with pytest.raises(DataError, match=r"boxes\.json does not list new\.png"):
        Detection().open([case, other], 1)


def test_image_of_another_size_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.xml is of an image of 80×30 pixels, but .*a\.png has 40×30"):
        Detection().open([case_of(tmp_path, [SOUND], width=80)], 1)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    case = case_of(tmp_path, [SOUND])
    case.files["boxes"].write_text("<annotation>", encoding="utf-8")
    broken = case_of(tmp_path, [SOUND], "b")
    broken.image.write_bytes(b"no image")
    table = Case("c", {"image": case.image, "boxes": tmp_path / "boxes.xlsx"})
    (tmp_path / "boxes.xlsx").write_text("", encoding="utf-8")
    with pytest.raises(DataError) as told:
        Detection().open([case, broken, table], 1)
    for words in ("a.xml: it is no XML", "b.png cannot be read", "boxes.xlsx: boxes are read from .xml"):
        assert words in str(told.value)


def test_settings_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="both name 'cell'"):
        Detection(classes=("cell",), ignored=("cell",)).open([case_of(tmp_path, [SOUND])], 1)
    with pytest.raises(RecipeError, match="named twice"):
        part("task", "detection", classes=["cell", "cell"])
    with pytest.raises(RecipeError, match="multiple of 32"):
        part("task", "detection", size=100)


def test_missing_library_is_told_before_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(DataError, match=r'pip install "gmssl\[det\]"'):
        Detection().open([Case("a", {"image": tmp_path / "none.png"})], 1)


def test_sizes_are_those_of_upright_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("L", (20, 10)).save(tmp_path / "deep.tif")
    assert case_size(tmp_path / "turned.jpg") == (10, 20)
    assert case_size(tmp_path / "deep.tif") == (20, 10)
    with pytest.raises(DataError, match="there is no such file"):
        case_size(tmp_path / "none.png")


def test_crowds_are_neither_learnt_nor_missed(tmp_path: Path, folder_of: Any) -> None:
    (case,) = folder_of([[(0, 0, 9, 9), (20, 20, 60, 60)]])
    content = json.loads(case.files["boxes"].read_text(encoding="utf-8"))
    content["annotations"][1]["iscrowd"] = 1
    case.files["boxes"].write_text(json.dumps(content), encoding="utf-8")
    opened = Detection(size=64).open([case], 1)
    assert opened.facts["crowd regions"] == 1
    assert len(opened.testing([0])[0]["boxes"]) == 1
