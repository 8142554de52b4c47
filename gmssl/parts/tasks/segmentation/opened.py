"""Cases of segmentation that have been read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.task import Backbone, Row, Scores, Value
from gmssl.parts.tasks.masks.batches import stacked
from gmssl.parts.tasks.masks.metrics import beside_observer, boundaries
from gmssl.parts.tasks.masks.reading import FIELD_OF_VIEW, SECOND_OBSERVER
from gmssl.parts.tasks.segmentation.annotation import Annotation
from gmssl.parts.tasks.segmentation.examples import Example, Prepared, Testing, Training
from gmssl.parts.tasks.segmentation.scoring import SegmentationScoring


@dataclass
class OpenedSegmentation:
    """Cases with masks, as `gmssl.interfaces.task.Opened` describes."""

    annotation: Annotation
    metric: str = "dice"
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        boundaries()
        annotation = self.annotation
        self.settings, self.cases = annotation.settings, annotation.cases
        self.checked = annotation.check()
        self.classes: tuple[str, ...] = annotation.classes
        self.facts: Mapping[str, Value] = self._facts()
        self._prepared = Prepared(annotation.settings, tuple(annotation.cases), annotation.channels)

    def _facts(self) -> dict[str, Value]:
        """Counts of cases, of those without any pixel of a class, and the share of pixels of each class."""
        whole = sum(check.whole for check in self.checked)
        found: dict[str, Value] = {}
        for at, name in enumerate(self.classes):
            pixels = [check.pixels[at] for check in self.checked]
            found[f"share of {name}"] = round(sum(pixels) / whole, 6)
            found[f"cases without {name}"] = pixels.count(0)
        for role, words in ((FIELD_OF_VIEW, "a field of view"), (SECOND_OBSERVER, "a second observer")):
            found[f"cases with {words}"] = sum(role in case.files for case in self.cases)
        return found

    def training(self, indices: Sequence[int], seed: int) -> Training:
        """Examples of these cases, changed at random.

        Raises:
            DataError: none of them has a pixel of any class, from which nothing can be learnt.
        """
        if not any(sum(self.checked[index].pixels) for index in indices):
            raise DataError(
                f"Not one of the {len(indices)} training cases has a pixel of {', '.join(self.classes)}. "
                "Correct the split, task.classes or the masks."
            )
        return Training(self._prepared, tuple(indices), seed)

    def testing(self, indices: Sequence[int]) -> Testing:
        """Examples of these cases as they are."""
        return Testing(self._prepared, tuple(indices))

    def collate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """`images` uint8 `[B,K,S,S]`, `labels` uint8 `[B,S,S]`, and `cases`, their indices."""
        return stacked(examples)

    def network(self, backbone: Backbone | None) -> Any:
        """The decoder on the backbone.

        Raises:
            RecipeError: there is no backbone, or its pyramid does not fit the network.
            DataError: segmentation-models-pytorch is not installed.
        """
        from gmssl.parts.tasks.segmentation.network import SegmentationNetwork

        if backbone is None:
            raise RecipeError(
                "segmentation has no network of its own: name an encoder with --encoder, such as `random` for the one "
                "of the recipe without pre-training."
            )
        return SegmentationNetwork(self.settings, backbone)

    def scoring(self, indices: Sequence[int], keep: bool = False, only_main: bool = False) -> SegmentationScoring:
        """Score predictions of these cases on the grids of their annotations."""
        return SegmentationScoring(self.annotation, keep, only_main)

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """See `gmssl.parts.tasks.masks.metrics.beside_observer`."""
        return beside_observer(rows, self.classes)
