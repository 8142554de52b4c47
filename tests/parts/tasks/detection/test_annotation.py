"""Boxes of all formats: the same edges in pixels, or one sentence on what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.parts.tasks.detection.annotation import EDGES, PASCAL, AnnotationError, voc, yolo
from gmssl.parts.tasks.detection.coco import Coco, read_json
from gmssl.parts.tasks.detection.kvasir import Kvasir, is_kvasir

WIDTH, HEIGHT = 40, 30
BOXES = st.tuples(st.integers(0, 39), st.integers(0, 29), st.integers(1, 40), st.integers(1, 30)).filter(
    lambda box: box[0] < box[2] and box[1] < box[3]
)


def voc_text(boxes: Any, names: Any = None, more: str = "") -> str:
    objects = "".join(
        f"<object><name>{name}</name>{more}<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
        "</bndbox></object>"
        for (a, b, c, d), name in zip(boxes, names or ["cell"] * len(boxes), strict=True)
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    return f"<annotation>{size}{objects}</annotation>"


def written(folder: Path, text: str, name: str = "a.xml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@given(box=BOXES)
def test_corners_of_pascal_voc_are_the_first_and_the_last_pixel(
    box: tuple[int, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Asked of pixels: where they are drawn, counted from 1, is what edges enclose."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    rows, columns = np.nonzero(mask)
    corners = (columns.min() + 1, rows.min() + 1, columns.max() + 1, rows.max() + 1)
    folder = tmp_path_factory.mktemp("voc")
    (found,) = voc(written(folder, voc_text([corners])), PASCAL).boxes
    x1, y1, x2, y2 = found.corners
    assert found.corners == box
    assert (x2 - x1) * (y2 - y1) == mask.sum()


def test_whole_image_and_single_pixel(tmp_path: Path) -> None:
    file = written(tmp_path, voc_text([(1, 1, WIDTH, HEIGHT), (5, 6, 5, 6)]))
    assert [box.corners for box in voc(file, PASCAL).boxes] == [(0, 0, WIDTH, HEIGHT), (4, 5, 5, 6)]
    assert [box.corners for box in voc(file, EDGES).boxes] == [(1, 1, WIDTH, HEIGHT), (5, 6, 5, 6)]
    assert voc(file, EDGES).size == (WIDTH, HEIGHT)


@given(boxes=st.lists(BOXES, max_size=5))
def test_all_formats_say_the_same(boxes: list[tuple[int, ...]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("formats")
    pascal = voc_text([(a + 1, b + 1, c, d) for a, b, c, d in boxes])
    shares = [((a + c) / 2 / WIDTH, (b + d) / 2 / HEIGHT, (c - a) / WIDTH, (d - b) / HEIGHT) for a, b, c, d in boxes]
    lines = "".join("0 " + " ".join(map(repr, share)) + "\n" for share in shares)
    coco = {
        "images": [{"id": 3, "file_name": "sub/a.png"}],
        "categories": [{"id": 9, "name": "cell"}],
        "annotations": [
            {"id": n, "image_id": 3, "category_id": 9, "bbox": [a, b, c - a, d - b]}
            for n, (a, b, c, d) in enumerate(boxes)
        ],
    }
    kvasir = {
        "a": {"bbox": [{"label": "cell", **dict(zip(("xmin", "ymin", "xmax", "ymax"), b, strict=True))} for b in boxes]}
    }
    assert is_kvasir(kvasir)
    assert not is_kvasir(coco)
    found = [
        voc(written(folder, pascal), PASCAL),
        yolo(written(folder, lines, "a.txt"), (WIDTH, HEIGHT), ["cell"]),
        Coco(coco).of(Path("sub/a.png")),
        Kvasir(kvasir).of(Path("sub/a.png")),
    ]
    for annotation in found:
        assert annotation is not None
        assert [box.name for box in annotation.boxes] == ["cell"] * len(boxes)
        assert np.allclose([box.corners for box in annotation.boxes], boxes)


def test_difficult_boxes_and_crowds_are_told(tmp_path: Path) -> None:
    file = written(tmp_path, voc_text([(1, 1, 2, 2)], more="<difficult>1</difficult>"))
    assert voc(file, PASCAL).boxes[0].difficult
    crowd = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "iscrowd": 1}
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "x"}],
        "annotations": [crowd],
    }
    found = Coco(content).of(Path("a.png"))
    assert found is not None
    assert found.boxes[0].crowd


def test_numbers_are_names_where_classes_have_none(tmp_path: Path) -> None:
    file = written(tmp_path, "11 0.5 0.5 0.1 0.1\n\n", "a.txt")
    assert yolo(file, (10, 10), []).boxes[0].name == "11"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotation>", "it is no XML"),
        ("<html></html>", "begins with <html>"),
        ("<annotation><object><bndbox/></object></annotation>", "object 1 has no name"),
        ("<annotation><object><name>x</name></object></annotation>", "xmin of object 1 is missing"),
        (voc_text([(1, 1, "wide", 4)]), "xmax of object 1 is 'wide' and no number"),
        (voc_text([(1, 1, "nan", 4)]), "xmax of object 1 is 'nan' and no number"),
    ],
)
def test_damaged_voc_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=said):
        voc(written(tmp_path, text), PASCAL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 0.5 0.5 0.1", "line 1 has 4 numbers where a box has 5"),
        ("cell 0.5 0.5 0.1 0.1", "line 1 begins with 'cell'"),
        ("1 0.5 0.5 0.1 0.1", "line 1 is of class 1, and task.classes names 0…0"),
        ("0 0.5 0.5 0.1 inf", "line 1 is 'inf' and no number"),
    ],
)
def test_damaged_yolo_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=said):
        yolo(written(tmp_path, text, "a.txt"), (10, 10), ["cell"])


def content(**changed: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}],
    }
    return whole | changed


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "has no list 'images'"),
        (content(categories=None), "has no list 'categories'"),
        (content(annotations=[{"image_id": 2, "category_id": 1, "bbox": [0, 0, 1, 1]}]), "an image 2 that the file"),
        (content(annotations=[{"image_id": 1, "category_id": 5, "bbox": [0, 0, 1, 1]}]), "a category 5 that the file"),
        (content(annotations=[{"image_id": 1, "category_id": 1}]), "annotation 1 has no 'bbox'"),
        (content(annotations=[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1]}]), r"the bbox \[0, 0, 1\]"),
        (content(annotations=[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, "2"]}]), "the bbox"),
    ],
)
def test_damaged_coco_is_told(found: Any, said: str) -> None:
    with pytest.raises(AnnotationError, match=said):
        Coco(found)


def test_json_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="it is no JSON"):
        read_json(written(tmp_path, "{", "a.json"))


def test_images_of_one_name_are_told_apart_by_their_folders() -> None:
    images = [{"id": 1, "file_name": "left/a.png"}, {"id": 2, "file_name": "right/a.png"}]
    boxes = [{"image_id": n, "category_id": 1, "bbox": [n, 0, 1, 1]} for n in (1, 2)]
    file = Coco(content(images=images, annotations=boxes))
    for number, side in enumerate(("left", "right"), 1):
        found = file.of(Path("/data") / side / "a.png")
        assert found is not None
        assert found.boxes[0].corners[0] == number
    assert file.of(Path("/data/other/a.png")) is None
    assert file.of(Path("/data/left/b.png")) is None
    doubled = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "a.png"}]
    with pytest.raises(AnnotationError, match=r"lists 'a\.png' 2 times"):
        Coco(content(images=doubled)).of(Path("/data/a.png"))


def test_damaged_kvasir_is_told() -> None:
    with pytest.raises(AnnotationError, match="box 1 of 'a' has no label"):
        Kvasir({"a": {"bbox": [{"xmin": 1}]}}).of(Path("a.jpg"))
    with pytest.raises(AnnotationError, match="ymin of box 1 of 'a' is missing"):
        Kvasir({"a": {"bbox": [{"label": "polyp", "xmin": 1}]}}).of(Path("a.jpg"))
    assert Kvasir({"a": {"bbox": []}}).of(Path("b.jpg")) is None


def test_json_of_a_file_reaches_the_reader(tmp_path: Path) -> None:
    found = Coco(read_json(written(tmp_path, json.dumps(content()), "a.json"))).of(Path("a.png"))
    assert found is not None
    assert len(found.boxes) == 1
