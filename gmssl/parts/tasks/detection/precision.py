"""Average precision and recall of boxes, as COCO defines them, by faster-coco-eval."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from gmssl.errors import DataError
from gmssl.interfaces.task import Resampled, Row, Scores
from gmssl.lazy import numpy

_ALL = [[0.0, 1e10]]


def library() -> Any:
    """faster-coco-eval.

    Raises:
        DataError: it is not installed, or does not load.
    """
    try:
        return importlib.import_module("faster_coco_eval")
    except (ImportError, OSError) as error:
        words = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"boxes are scored with faster-coco-eval, which does not load ({words}); "
            'install it with: pip install "gmssl[det]".'
        ) from None


def scores_of(rows: Sequence[Row], classes: Sequence[str], most: int) -> Scores:
    """AP50, AP, AP75, AR and the AP50 of each class.

    Averages are over the classes of which there is a box in these rows; a class without one has None, and without any
    box all scores are None. A row may come more than once and then is as many images.

    Args:
        rows: `boxes`, `scores`, `labels` of predictions and `true_boxes`, `true_labels`, `true_crowd` of each image.
        classes: all names that labels may be.
        most: boxes of an image that are looked at, those with the highest scores.
    """
    if not any(row["true_boxes"] for row in rows):
        library()
        return _scores(*_without_truth(len(classes)), classes)
    run = _matched(rows, classes, most)
    run.accumulate()
    return _scores(*_tables(run), classes)


def resampled(rows: Sequence[Row], classes: Sequence[str], most: int) -> Resampled | None:
    """The scores of choices of rows; see `gmssl.interfaces.task.Task.resampled`.

    Boxes are matched within each image, so that what takes most of the time is done once for all choices.
    """
    if not any(row["true_boxes"] for row in rows):
        return None
    run, images = _matched(rows, classes, most), len(rows)
    matches, settings = getattr(run, "_evalImgs_cpp", None), getattr(run, "_paramsEval", None)
    if not isinstance(matches, list) or len(matches) != len(classes) * images or settings is None:
        return None  # another version of the library, which keeps them elsewhere

    def scores(chosen: Sequence[int]) -> Scores:
        if not chosen:
            return _scores(*_without_truth(len(classes)), classes)
        run._evalImgs_cpp = [matches[at * images + image] for at in range(len(classes)) for image in chosen]
        settings.imgIds = list(range(1, len(chosen) + 1))
        run.accumulate()
        return _scores(*_tables(run), classes)

    return scores


def _without_truth(classes: int) -> tuple[Any, Any]:
    """The tables of images that show no box."""
    return numpy.full((10, 101, classes), -1.0), numpy.full((10, classes), -1.0)


def _scores(precision: Any, recall: Any, classes: Sequence[str]) -> Scores:
    of_class = {name: _mean(precision[0, :, at]) for at, name in enumerate(classes)}
    return {
        "AP50": _mean(precision[0]),
        "AP": _mean(precision),
        "AP75": _mean(precision[5]),
        "AR": _mean(recall),
        **{f"AP50.{name}": value for name, value in of_class.items()},
    }


def _mean(values: Any) -> float | None:
    """Of what COCO does not mark as without truth."""
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _tables(run: Any) -> tuple[Any, Any]:
    """Precision [IoU, recall, class] and recall [IoU, class] of IoU 0.50, 0.55 … 0.95 and recall 0, 0.01 … 1."""
    return run.eval["precision"][:, :, :, 0, 0], run.eval["recall"][:, :, 0, 0]


def _matched(rows: Sequence[Row], classes: Sequence[str], most: int) -> Any:
    """The library's evaluation of rows, whose images have been evaluated one by one: class by class, in their order."""
    coco = library()
    listed = {
        "images": [{"id": at} for at in range(1, len(rows) + 1)],
        "categories": [{"id": at, "name": name} for at, name in enumerate(classes, 1)],
    }
    place = {name: at for at, name in enumerate(classes, 1)}
    truth = _annotations(rows, "true_boxes", "true_labels", "true_crowd", "iscrowd", place)
    found = _annotations(rows, "boxes", "labels", "scores", "score", place)
    run = coco.COCOeval_faster(
        coco.COCO({**listed, "annotations": truth}),
        coco.COCO({**listed, "annotations": found}),
        iouType="bbox",
        separate_eval=True,
    )
    run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = _ALL, ["all"], [most]
    run.evaluate()
    return run


def _annotations(
    rows: Sequence[Row], boxes: str, labels: str, values: str, key: str, place: dict[str, int]
) -> list[dict[str, Any]]:
    """COCO's annotations of boxes, with a value each under a key; their numbers begin at 1, since 0 means none."""
    found: list[dict[str, Any]] = []
    for image, row in enumerate(rows, 1):
        every: Any = zip(row[boxes], row[labels], row[values], strict=True)  # type: ignore[arg-type]
        for (x1, y1, x2, y2), name, value in every:
            width, height = x2 - x1, y2 - y1
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": image,
                    "category_id": place[name],
                    "bbox": [x1, y1, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    key: value,
                }
            )
    return found
