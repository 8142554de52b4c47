"""Annotation of all images, read and checked before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Value, told
from gmssl.parts.tasks.detection.annotation import Annotated, Annotation, AnnotationError, Corners, voc, yolo
from gmssl.parts.tasks.detection.coco import Coco, read_json
from gmssl.parts.tasks.detection.fusing import fused, readers_of
from gmssl.parts.tasks.detection.kvasir import Kvasir, is_kvasir
from gmssl.parts.tasks.detection.spreadsheet import Spreadsheet
from gmssl.parts.tasks.images import case_size

ROLE = "boxes"
"""The role of the file with the boxes of an image, or of all images."""

_OF_MANY = (".json", ".csv")
"""Ends of files that may hold the boxes of many images."""
_Opened: TypeAlias = Coco | Kvasir | Spreadsheet | AnnotationError

_ROUNDING = 0.5
"""Pixels by which a box may pass an edge of its image, since annotators round; it is cut off at the edge."""


@dataclass(frozen=True)
class Reading:
    """How annotation is read, from the settings of the task.

    Attributes:
        classes: their names in order; empty if they are those found.
        ignored: classes whose boxes are left out.
        corners: of VOC files, see `gmssl.parts.tasks.detection.annotation`.
        mend: cut boxes off at the edges and leave out those without area, where they would be refused.
        negatives: whether an image without annotation is one without boxes, where it would be refused.
        fuse: IoU from which boxes of several readers are one; None if several readers are refused.
    """

    classes: tuple[str, ...]
    ignored: tuple[str, ...]
    corners: str
    mend: bool
    negatives: bool
    fuse: float | None = None


@dataclass(frozen=True)
class Truth:
    """The boxes of an image, all within it and of positive area.

    Attributes:
        size: width and height of the image, upright.
        corners: (x1, y1, x2, y2) each, edges in pixels.
        labels: place in the classes, each.
        crowd: whether a box is a region of many, which is neither learnt nor missed.
    """

    size: tuple[int, int]
    corners: tuple[Corners, ...]
    labels: tuple[int, ...]
    crowd: tuple[bool, ...]


@dataclass
class _Count:
    """What there was on the way."""

    faults: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_in: list[str] = field(default_factory=list)
    of: Counter[str] = field(default_factory=Counter)


def read_truths(cases: Sequence[Case], reading: Reading) -> tuple[list[Truth], tuple[str, ...], dict[str, Value]]:
    """Truths of the cases, the classes, and facts for results.

    Raises:
        DataError: annotation that is missing, unreadable, at fault or of unknown classes; names files and counts.
    """
    count = _Count()
    files: dict[Path, _Opened] = {}
    read = [_read(case, reading, files, count) for case in cases]
    _refuse(count.unread, "Correct or complete the annotation, or leave these images out of the cases.")
    classes = reading.classes or _found(read, reading)
    truths = [_truth(case, size, said, classes, reading, count) for case, (size, said) in zip(cases, read, strict=True)]
    if count.unknown:
        names = ", ".join(f"{name!r} ({number} boxes)" for name, number in sorted(count.unknown.items()))
        remedy = f"Add to task.classes or task.ignored what is missing there: {names}; known are {', '.join(classes)}."
        raise DataError(told(count.unknown_in, remedy))
    _refuse(
        count.faults,
        "Correct them, or set task.faulty=mend, which cuts boxes off at the edges and leaves out those without area."
        + (" Corners that begin at 0 are task.corners=edges." if reading.corners != "edges" else ""),
    )
    return truths, classes, _facts(truths, classes, count.of)


def _refuse(faults: list[str], remedy: str) -> None:
    if faults:
        raise DataError(told(faults, remedy))


def _read(
    case: Case, reading: Reading, files: dict[Path, _Opened], count: _Count
) -> tuple[tuple[int, int], Annotation]:
    """Size of the image and what is said of it."""
    nothing = (1, 1), Annotation(())
    try:
        size = case_size(case.image)
    except DataError as error:
        count.unread.append(str(error).rstrip("."))
        return nothing
    file = case.files.get(ROLE)
    try:
        said = None if file is None else _said(file, case.image, size, reading, files)
    except AnnotationError as error:
        if not count.unread or count.unread[-1] != f"{file}: {error}":  # a file of all images is at fault once
            count.unread.append(f"{file}: {error}")
        return nothing
    if said is None:
        if not reading.negatives:
            where = f"{file} does not list {case.image.name}" if file else f"{case.name} has no file of boxes"
            count.unread.append(f"{where} (set task.negatives=true if it shows nothing)")
        count.of["images without annotation"] += 1
        return size, Annotation(())
    if (readers := readers_of(said.boxes)) > 1:
        if reading.fuse is None:
            count.unread.append(
                f"{file} has boxes of {readers} readers of {case.name} (set task.fuse, for example 0.5)"
            )
            return nothing
        one = fused(said.boxes, reading.fuse)
        count.of["boxes fused with those of other readers"] += len(said.boxes) - len(one)
        said = replace(said, boxes=one)
    if said.size is not None and said.size != size:
        stated, own = ("×".join(map(str, sides)) for sides in (said.size, size))
        count.unread.append(f"{file} is of an image of {stated} pixels, but {case.image} has {own}")
    return size, said


def _said(
    file: Path, image: Path, size: tuple[int, int], reading: Reading, files: dict[Path, _Opened]
) -> Annotation | None:
    """By the ending of the file; None if it does not list the image."""
    ending = file.suffix.lower()
    if ending == ".xml":
        return voc(file, reading.corners)
    if ending == ".txt":
        return yolo(file, size, reading.classes)
    if ending in _OF_MANY:
        if file not in files:
            files[file] = _opened(file)
        opened = files[file]
        if isinstance(opened, AnnotationError):
            raise opened
        return opened.of(image)
    raise AnnotationError("boxes are read from .xml (Pascal VOC), .json (COCO or Kvasir), .csv and .txt (YOLO)")


def _opened(file: Path) -> _Opened:
    """The file, or what is wrong with it, so that it is read once and not again for each image."""
    try:
        if file.suffix.lower() == ".csv":
            return Spreadsheet(file)
        content = read_json(file)
        return Kvasir(content) if is_kvasir(content) else Coco(content)
    except AnnotationError as error:
        return error


def _found(read: Sequence[tuple[tuple[int, int], Annotation]], reading: Reading) -> tuple[str, ...]:
    """All names but the ignored ones; numbers in their order."""
    names = {box.name for _, said in read for box in said.boxes} - set(reading.ignored)
    if not names:
        raise DataError("task: no image has a box. Correct the role `boxes` of the cases, or name task.classes.")
    return tuple(sorted(names, key=lambda name: (len(name) if name.isdecimal() else 0, name)))


def _truth(
    case: Case, size: tuple[int, int], said: Annotation, classes: tuple[str, ...], reading: Reading, count: _Count
) -> Truth:
    place = {name: at for at, name in enumerate(classes)}
    kept: list[tuple[Corners, int, bool]] = []
    wrong: list[str] = []
    unknown: list[str] = []
    for box in said.boxes:
        if box.name in reading.ignored:
            count.of["boxes of ignored classes"] += 1
        elif box.name not in place:
            unknown.append(box.name)
        else:
            count.of["difficult boxes"] += box.difficult
            corners, fault = _within(box, size)
            if fault:
                wrong.append(fault)
                count.of["boxes cut off at an edge" if corners else "boxes left out"] += 1
            if corners:
                kept.append((corners, place[box.name], box.crowd))
    source = case.files.get(ROLE, case.image)
    place_of = f"{source} ({case.name})" if source.suffix.lower() in _OF_MANY else str(source)
    if wrong and not reading.mend:
        count.faults.append(f"{place_of}: {len(wrong)} of {len(said.boxes)} boxes at fault, the first {wrong[0]}")
    if unknown:
        count.unknown.update(unknown)
        count.unknown_in.append(f"{place_of}: {len(unknown)} of {len(said.boxes)} boxes of unknown classes")
    return Truth(size, tuple(b[0] for b in kept), tuple(b[1] for b in kept), tuple(b[2] for b in kept))


def _within(box: Annotated, size: tuple[int, int]) -> tuple[Corners | None, str]:
    """The part of a box within the image, None if that has no area; and what is wrong with the box, if anything is."""
    x1, y1, x2, y2 = box.corners
    width, height = size
    numbers = ", ".join(f"{number:g}" for number in box.corners)
    told_ = f"{box.name} from edge to edge ({numbers})"
    if x2 <= x1 or y2 <= y1:
        return None, f"{told_}: it is {'inverted' if x2 < x1 or y2 < y1 else 'without area'}"
    cut = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    outside = max(-x1, -y1, x2 - width, y2 - height)
    inside: Corners | None = cut if cut[2] > cut[0] and cut[3] > cut[1] else None
    if outside > _ROUNDING or inside is None:
        return inside, f"{told_}: it is outside of {width}×{height} pixels"
    return inside, ""


def _facts(truths: Sequence[Truth], classes: tuple[str, ...], count: Counter[str]) -> dict[str, Value]:
    of_class = Counter(label for truth in truths for label in truth.labels)
    sides = [min(c[2] - c[0], c[3] - c[1]) for truth in truths for c in truth.corners]
    facts: dict[str, Value] = {
        "images": len(truths),
        "boxes": {name: of_class[at] for at, name in enumerate(classes)},
        "images without boxes": sum(not truth.corners for truth in truths),
        "most boxes in an image": max((len(truth.corners) for truth in truths), default=0),
        "shortest side of a box in pixels": min(sides, default=None),
        "crowd regions": sum(sum(truth.crowd) for truth in truths),
    }
    return facts | {name: number for name, number in sorted(count.items()) if number}
