"""Boxes in CSV files, by one reader or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.detection.annotation import Annotated, AnnotationError
from gmssl.parts.tasks.detection.detection import Detection
from gmssl.parts.tasks.detection.fusing import fused, iou, readers_of
from gmssl.parts.tasks.detection.spreadsheet import Spreadsheet

HEADER = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"


def table(folder: Path, *lines: str, name: str = "boxes.csv") -> Path:
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "lines",
    [
        (HEADER, "a,Mass,3,R1,1,2,11,22"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,40,30,Mass,1,2,11,22"),
        ("Image,Label,x,y,width,height", "images\\a.png,Mass,1,2,10,20"),
        ("path,category,X1,Y1,X2,Y2,note", "images/a.png,Mass,1.0,2.0,11.0,22.0,unsure"),
    ],
)
def test_all_forms_say_the_same(lines: Sequence[str], tmp_path: Path) -> None:
    found = Spreadsheet(table(tmp_path, *lines)).of(tmp_path / "images" / "a.png")
    assert found is not None
    assert [(box.corners, box.name) for box in found.boxes] == [((1, 2, 11, 22), "Mass")]
    assert found.size == ((40, 30) if "width" in lines[0] and "xmin" in lines[0] else None)


def test_images_are_found_by_name_stem_and_folder(tmp_path: Path) -> None:
    lines = [
        "image,class,x1,y1,x2,y2",
        "x/7.png,in x,0,0,1,1",
        "y/7.png,in y,0,0,1,1",
        "8.2,dots,0,0,1,1",
        "9,none,,,,",
    ]
    sheet = Spreadsheet(table(tmp_path, *lines))
    names = {
        path: sheet.of(tmp_path / path) for path in ("x/7.png", "y/7.png", "z/7.png", "8.2.dicom", "9.dicom", "8.png")
    }
    assert {path: found and [box.name for box in found.boxes] for path, found in names.items()} == {
        "x/7.png": ["in x"], "y/7.png": ["in y"], "z/7.png": None, "8.2.dicom": ["dots"], "9.dicom": [], "8.png": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("image,class,x,y", "a,b,1,2"), "it has the columns image, class, x, y; boxes need"),
        (("",), "it has the columns none"),
        ((HEADER, "a,Mass,3,R1,1,2,eleven,22"), "x_max in line 2 is 'eleven' and no number"),
        ((HEADER, "a,Mass,3,R1,1,2,,22"), "x_max in line 2 is missing"),
        ((HEADER, "a,,3,R1,1,2,11,22"), "line 2 has a box and no class"),
        ((HEADER, 'a,"Mass,3,R1,1,2,11,22'), "it is no CSV in UTF-8"),
        (
            ("filename,width,height,class,xmin,ymin,xmax,ymax", "a,40,30,c,0,0,1,1", "a,41,30,c,0,0,1,1"),
            "line 2 and others say different sizes",
        ),
    ],
)
def test_faults_are_told(lines: Sequence[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=said):
        Spreadsheet(table(tmp_path, *lines))


def cases(folder: Path, *names: str) -> list[Case]:
    for name in names:
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(folder / f"{name}.png")
    return [Case(name, {"image": folder / f"{name}.png", "boxes": folder / "boxes.csv"}) for name in names]


def test_readers_are_refused_or_fused(tmp_path: Path) -> None:
    table(
        tmp_path, HEADER, "a,Mass,0,R1,10,10,30,30", "a,Mass,0,R2,12,10,32,30", "a,Nodule,1,R3,11,10,31,30",
        "b,No finding,14,R1,,,,", "b,No finding,14,R2,,,,",
    )  # fmt: skip
    both = cases(tmp_path, "a", "b")
    with pytest.raises(DataError, match=r"boxes\.csv has boxes of 3 readers of a \(set task\.fuse, for example 0\.5\)"):
        Detection().open(both, 1)
    opened = Detection(fuse=0.5).open(both, 1)
    assert opened.classes == ("Mass", "Nodule")
    assert [truth.corners for truth in opened.pictures.truths] == [((11, 10, 31, 30), (11, 10, 31, 30)), ()]
    assert opened.facts["boxes fused with those of other readers"] == 1
    assert "images without annotation" not in opened.facts


def test_a_broken_file_is_read_once_and_an_image_it_lacks_is_told(tmp_path: Path) -> None:
    table(tmp_path, "nothing,here")
    with pytest.raises(DataError, match="it has the columns nothing, here") as told:
        Detection().open(cases(tmp_path, "a", "b"), 1)
    assert str(told.value).count("boxes.csv") == 1
    table(tmp_path, HEADER, "a,Mass,0,R1,10,10,30,30")
    with pytest.raises(DataError, match=r"boxes\.csv does not list b\.png"):
        Detection().open(cases(tmp_path, "a", "b"), 1)


SIDES = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 6), st.integers(1, 6))
BOXES = st.lists(
    st.builds(
        lambda sides, name, reader: Annotated(
            (sides[0], sides[1], sides[0] + sides[2], sides[1] + sides[3]), name, reader=reader
        ),
        SIDES, st.sampled_from("xy"), st.sampled_from("123"),
    ),
    max_size=9,
)  # fmt: skip


@given(BOXES, BOXES)
def test_iou_is_that_of_drawn_cells(ones: list[Annotated], others: list[Annotated]) -> None:
    for one, other in zip(ones, others, strict=False):
        drawn = np.zeros((2, 20, 20), bool)
        for mask, (x1, y1, x2, y2) in zip(drawn, (one.corners, other.corners), strict=True):
            mask[int(y1) : int(y2), int(x1) : int(x2)] = True
        expected = (drawn[0] & drawn[1]).sum() / (drawn[0] | drawn[1]).sum()
        assert iou(one.corners, other.corners) == pytest.approx(expected, abs=1e-12)


@given(BOXES, st.floats(0.05, 1))
def test_fusing_keeps_readers_and_classes_apart(boxes: list[Annotated], least: float) -> None:
    found = fused(boxes, least)
    assert readers_of(found) <= 1
    for name in "xy":
        of_class = [box for box in boxes if box.name == name]
        many = sum(box.name == name for box in found)
        most = max((sum(box.reader == reader for box in of_class) for reader in "123"), default=0)
        assert most <= many <= len(of_class)  # a reader's boxes stay as many as they are
        if of_class:
            areas = [np.array(box.corners) for box in of_class]
            for box in found:
                if box.name == name:
                    assert (np.min(areas, 0) <= np.array(box.corners) + 1e-9).all()
                    assert (np.max(areas, 0) >= np.array(box.corners) - 1e-9).all()


@given(BOXES)
def test_what_all_readers_drew_alike_is_drawn_once(boxes: list[Annotated]) -> None:
    alone = [Annotated(box.corners, box.name, reader="1") for box in boxes]
    assert [box.corners for box in fused(alone, 0.3)] == [box.corners for box in boxes]  # of one reader none is fused
    every = [Annotated(box.corners, box.name, reader=reader) for reader in "123" for box in boxes]
    found = fused(every, 1.0)
    assert [(box.corners, box.name) for box in found] == [(box.corners, box.name) for box in boxes]
