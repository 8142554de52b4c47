"""The task `detection`: its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, field_validator

from gmssl.errors import RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Backbone, Resampled, Row, Scores, Task, Value
from gmssl.parts.tasks.detection.checking import Reading, read_truths
from gmssl.parts.tasks.detection.examples import Augmentation, Batch, Example, Pictures, Testing, Training, collate
from gmssl.parts.tasks.detection.precision import library, resampled, scores_of
from gmssl.parts.tasks.detection.scoring import BoxScoring

if TYPE_CHECKING:
    from gmssl.parts.tasks.detection.network import DetectionNetwork


class Detection(Task):
    """Boxes of named classes, found by Faster R-CNN with a feature pyramid and scored by COCO's average precision.

    Cases have the role `boxes`: a file of Pascal VOC (.xml), of YOLO (.txt), or one for all images: of COCO or Kvasir
    (.json), or a table (.csv).
    """

    kind: ClassVar[str] = "detection"
    extra: ClassVar[str | None] = "det"

    size: int = Field(
        512, ge=64, le=4096, multiple_of=32, description="side of the square images that the network sees, in pixels"
    )
    fit: Literal["stretched", "kept"] = Field(
        "stretched", description="stretched: images become squares; kept: their aspect is kept and the rest filled up"
    )
    classes: tuple[str, ...] = Field(
        (), description="names in the order of tables, and of the numbers of YOLO files; default: all that are found"
    )
    ignored: tuple[str, ...] = Field((), description="classes whose boxes are left out")
    corners: Literal["pixels", "edges"] = Field(
        "pixels",
        description="VOC files: `pixels`, corners are the first and the last pixel from 1 on, as Pascal VOC defines "
        "them; `edges`, they are lines from 0 on",
    )
    faulty: Literal["refuse", "mend"] = Field(
        "refuse", description="boxes beyond the image or without area: told, or cut off and left out"
    )
    negatives: bool = Field(False, description="images without annotation show nothing; otherwise they are refused")
    fuse: float | None = Field(
        None, gt=0, le=1, description="IoU from which boxes that several readers drew of one class are one, their mean"
    )
    flips: tuple[Literal["horizontal", "vertical"], ...] = Field(("horizontal",), description="mirrored half the time")
    zoom: float = Field(
        1.0, gt=0, le=1, description="training sees parts of images, of at least this share of their sides"
    )
    light: float = Field(0.0, ge=0, lt=1, description="largest relative change of contrast and brightness in training")
    anchor: float = Field(8.0, gt=0, description="sides of anchors, in cells of their level")
    channels: int = Field(256, ge=1, description="of the levels of the feature pyramid")
    head: int = Field(1024, ge=1, description="width of the two layers that judge a region")
    proposals: int = Field(
        1000,
        ge=1,
        description="regions of an image that are proposed, of each level and in all; twice that in training",
    )
    regions: int = Field(512, ge=1, description="regions of an image that the head learns from")
    most: int = Field(100, ge=1, description="boxes of an image that are predicted and scored at most")
    threshold: float = Field(0.05, ge=0, lt=1, description="least score of a predicted box")
    overlap: float = Field(0.5, gt=0, le=1, description="IoU above which the lower of two boxes of a class goes")

    @field_validator("classes", "ignored", "flips")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is named twice; name it once")
        return names

    @property
    def image_size(self) -> int:
        """Side of the square images."""
        return self.size

    def summarise(self, rows: Sequence[Row], classes: Sequence[str]) -> Scores:
        """Scores of rows, without the cases."""
        return scores_of(rows, classes, self.most)

    def resampled(self, rows: Sequence[Row], classes: Sequence[str], metric: str | None = None) -> Resampled | None:
        """The scores of choices of rows, whose boxes are matched once."""
        return resampled(rows, classes, self.most)

    def open(self, cases: Sequence[Case], channels: int) -> OpenedDetection:
        """See `Task.open`. Images are opened for their size only."""
        library()
        both = sorted(set(self.classes) & set(self.ignored))
        if both:
            raise RecipeError(f"task.classes and task.ignored both name {both[0]!r}. Take it out of one of them.")
        reading = Reading(self.classes, self.ignored, self.corners, self.faulty == "mend", self.negatives, self.fuse)
        truths, classes, facts = read_truths(cases, reading)
        files: tuple[Path, ...] = tuple(case.image for case in cases)
        pictures = Pictures(files, tuple(truths), channels, self.size, self.fit == "stretched")
        return OpenedDetection(self, tuple(cases), pictures, classes, facts)


@dataclass
class OpenedDetection:
    """See `gmssl.interfaces.task.Opened`."""

    settings: Detection
    cases: tuple[Case, ...]
    pictures: Pictures
    classes: tuple[str, ...]
    facts: Mapping[str, Value]
    metric: str = "AP50"
    higher_is_better: bool = True

    def training(self, indices: Sequence[int], seed: int) -> Training:
        """Each case once an epoch, those without boxes, too."""
        flips = ("horizontal" in self.settings.flips, "vertical" in self.settings.flips)
        return Training(
            self.pictures, tuple(indices), seed, Augmentation(flips, self.settings.zoom, self.settings.light)
        )

    def testing(self, indices: Sequence[int]) -> Testing:
        """Whole images."""
        return Testing(self.pictures, tuple(indices))

    def collate(self, examples: Sequence[Example]) -> Batch:
        """See `Batch`."""
        return collate(examples, self.settings.size)

    def network(self, backbone: Backbone | None) -> DetectionNetwork:
        """Faster R-CNN; see `gmssl.interfaces.task.Opened.network`."""
        from gmssl.parts.tasks.detection.network import DetectionNetwork, Shape

        if backbone is None:
            raise RecipeError("task: detection has no encoder of its own. Name one with --encoder.")
        if not backbone.channels:
            raise RecipeError(
                "task: detection needs maps of the encoder, and this one has none. Choose another encoder."
            )
        s = self.settings
        shape = Shape(
            classes=len(self.classes),
            size=s.size,
            channels=s.channels,
            head=s.head,
            anchor=s.anchor,
            proposals=s.proposals,
            regions=s.regions,
            most=s.most,
            threshold=s.threshold,
            overlap=s.overlap,
        )
        return DetectionNetwork(backbone, shape)

    def scoring(self, indices: Sequence[int], keep: bool = False, only_main: bool = False) -> BoxScoring:
        """See `BoxScoring`."""
        return BoxScoring(self.cases, self.pictures, self.classes, keep)

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """See `gmssl.parts.tasks.detection.precision.scores_of`."""
        return scores_of(rows, self.classes, self.settings.most)
