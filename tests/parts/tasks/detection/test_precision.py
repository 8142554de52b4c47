"""Average precision and recall, beside pycocotools on the same boxes."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.parts.tasks.detection.precision import resampled, scores_of

CLASSES = ("a", "b", "c")
MOST = 5


@st.composite
def boxes(draw: Any, most: int) -> list[list[float]]:
    """Near one another, so that IoUs are of all sizes."""
    count = draw(st.integers(0, most))
    corners = [[draw(st.integers(0, 4)) * 5.0 for _ in range(2)] for _ in range(count)]
    sides = [[draw(st.integers(1, 4)) * 5.0 + draw(st.floats(0, 4)) for _ in range(2)] for _ in range(count)]
    return [[x, y, x + w, y + h] for (x, y), (w, h) in zip(corners, sides, strict=True)]


@st.composite
def row(draw: Any) -> dict[str, Any]:
    truth, found = draw(boxes(4)), draw(boxes(8))
    # Some predictions are the truth, moved a little: IoUs near 1 would be rare otherwise.
    copied = [
        [x1 + draw(st.sampled_from([0.0, 0.5, 2.0])), y1, x2, y2] for x1, y1, x2, y2 in truth if draw(st.booleans())
    ]
    found = [*found, *copied]
    some = st.sampled_from(CLASSES[:2])
    return {
        "boxes": found,
        "scores": [draw(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])) for _ in found],
        "labels": [draw(some) for _ in found],
        "true_boxes": truth,
        "true_labels": [draw(some) for _ in truth],
        "true_crowd": [draw(st.sampled_from([0, 0, 0, 1])) for _ in truth],
    }


def reference(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """By pycocotools, whose -1 stands for what has no truth."""
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")

    def of(boxes: str, labels: str, value: str, key: str) -> Any:
        annotations: list[dict[str, Any]] = []
        for image, one in enumerate(rows):
            for (x1, y1, x2, y2), name, number in zip(one[boxes], one[labels], one[value], strict=True):
                bbox = [x1, y1, x2 - x1, y2 - y1]
                common = {"id": len(annotations) + 1, "image_id": image, "category_id": CLASSES.index(name)}
                annotations.append({**common, "iscrowd": 0, "area": bbox[2] * bbox[3], "bbox": bbox, key: number})
        made = coco.COCO()
        categories = [{"id": n, "name": name} for n, name in enumerate(CLASSES)]
        images = [{"id": n} for n in range(len(rows))]
        made.dataset = {"images": images, "categories": categories, "annotations": annotations}
        made.createIndex()
        return made

    with contextlib.redirect_stdout(io.StringIO()):
        truth = of("true_boxes", "true_labels", "true_crowd", "iscrowd")
        run = evaluation.COCOeval(truth, of("boxes", "labels", "scores", "score"), "bbox")
        run.params.maxDets = [1, 2, MOST]
        run.evaluate()
        run.accumulate()
    precision, recall = run.eval["precision"][..., 0, 2], run.eval["recall"][..., 0, 2]

    def mean(values: Any) -> float | None:
        return float(values[values > -1].mean()) if (values > -1).any() else None

    per_class = {f"AP50.{name}": mean(precision[0, :, at]) for at, name in enumerate(CLASSES)}
    return {
        "AP50": mean(precision[0]),
        "AP": mean(precision),
        "AP75": mean(precision[5]),
        "AR": mean(recall),
        **per_class,
    }


def assert_equal(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    ours, theirs = scores_of(rows, CLASSES, MOST), reference(rows)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        if value is None:
            assert ours[name] is None, name
        else:
            assert ours[name] == pytest.approx(value, abs=1e-6), name
    return ours


@given(rows=st.lists(row(), max_size=6))
def test_as_pycocotools(rows: list[dict[str, Any]]) -> None:
    assert_equal(rows)


def test_as_pycocotools_on_many_boxes() -> None:
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(30):
        truth = generator.integers(0, 60, (8, 4)).astype(float)
        truth[:, 2:] += truth[:, :2] + 10
        found = np.concatenate([truth + generator.normal(0, 3, truth.shape), truth[:3] + 30])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        rows.append(
            {
                "boxes": found.tolist(),
                "scores": generator.random(len(found)).tolist(),
                "labels": [CLASSES[n] for n in generator.integers(0, 3, len(found))],
                "true_boxes": truth.tolist(),
                "true_labels": [CLASSES[n] for n in generator.integers(0, 3, len(truth))],
                "true_crowd": [0] * len(truth),
            }
        )
    scores = assert_equal(rows)
    assert all(value is not None and 0 < value < 1 for value in scores.values())


def single(found: list[list[float]], truth: list[list[float]], label: str = "a") -> dict[str, Any]:
    return {
        "boxes": found,
        "scores": [0.9] * len(found),
        "labels": [label] * len(found),
        "true_boxes": truth,
        "true_labels": [label] * len(truth),
        "true_crowd": [0] * len(truth),
    }


def test_degenerate_rows() -> None:
    box = [0.0, 0.0, 10.0, 10.0]
    nothing = dict.fromkeys(["AP50", "AP", "AP75", "AR", "AP50.a", "AP50.b", "AP50.c"])
    assert scores_of([], CLASSES, MOST) == nothing
    assert scores_of([single([box], [])], CLASSES, MOST) == nothing
    missed = assert_equal([single([], [box])])
    assert (missed["AP50"], missed["AR"], missed["AP50.b"]) == (0.0, 0.0, None)
    right = assert_equal([single([box], [box])])
    assert (right["AP50"], right["AP"], right["AP50.a"], right["AP50.c"]) == (1.0, 1.0, 1.0, None)
    # A false box before the right one in another image that shows nothing: precision 1/2 at every recall.
    assert assert_equal([single([box], []), {**single([box], [box]), "scores": [0.5]}])["AP50"] == pytest.approx(0.5)


def test_first_annotation_is_matched() -> None:
    """COCO's numbers begin at 1: a truth with the number 0 would never count as found."""
    box = [0.0, 0.0, 10.0, 10.0]
    assert assert_equal([single([box], [box]), single([box], [box], "b")])["AP50"] == 1.0


def test_a_row_may_come_twice() -> None:
    """As it does in samples with replacement: an image each, so that nothing is matched across copies."""
    box = [0.0, 0.0, 10.0, 10.0]
    one = single([box], [box])
    assert assert_equal([one, one, one])["AP50"] == 1.0


@given(st.lists(row(), min_size=1, max_size=5), st.data())
def test_resampled_scores_are_those_of_the_chosen_rows(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    choices = st.lists(st.integers(0, len(rows) - 1), max_size=8)
    scores = resampled(rows, CLASSES, MOST)
    if scores is None:
        assert not any(one["true_boxes"] for one in rows)
        return
    for chosen in data.draw(st.lists(choices, min_size=1, max_size=3)):  # one after the other, with the same matches
        assert scores(chosen) == scores_of([rows[index] for index in chosen], CLASSES, MOST)


def test_no_more_than_so_many_boxes_of_an_image_count() -> None:
    box, other = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]
    many = single([other] * MOST + [box], [box])
    many["scores"] = [0.9] * MOST + [0.1]
    assert assert_equal([many])["AP50"] == 0.0
    assert scores_of([many], CLASSES, MOST + 1)["AP50"] == pytest.approx(1 / (MOST + 1))


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(DataError, match=r'pip install "gmssl\[det\]"'):
        scores_of([single([], [])], CLASSES, MOST)
