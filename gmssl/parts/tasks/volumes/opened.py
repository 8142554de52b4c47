"""Volumes that have been read and checked, slice by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmssl.errors import RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Backbone, Row, Scores, Value
from gmssl.parts.tasks.masks.batches import stacked
from gmssl.parts.tasks.masks.metrics import summary
from gmssl.parts.tasks.volumes.checking import Checked, facts_of, refuse_empty
from gmssl.parts.tasks.volumes.examples import Example, Place, Prepared, Testing, Training
from gmssl.parts.tasks.volumes.scoring import SliceScoring
from gmssl.parts.tasks.volumes.slice_settings import SliceSettings


@dataclass
class OpenedSlices:
    """Volumes with masks, as `gmssl.interfaces.task.Opened` describes."""

    settings: SliceSettings
    cases: Sequence[Case]
    channels: int
    checked: Sequence[Checked]
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        self._prepared = Prepared(self.settings, self.cases, self.checked, self.channels)
        self.classes: tuple[str, ...] = self.settings.scored_names
        self.metric: str = self.settings.metric
        self.facts: Mapping[str, Value] = facts_of(self.settings, self.checked)

    def training(self, indices: Sequence[int], seed: int) -> Training:
        """Slices of these volumes, with and without foreground in balance, changed at random.

        Raises:
            DataError: none of them has a voxel of any class, from which nothing can be learnt.
        """
        refuse_empty(self.settings, self.checked, indices)
        return Training(self._prepared, self._places(indices), seed)

    def testing(self, indices: Sequence[int]) -> Testing:
        """All slices of these volumes as they are."""
        return Testing(self._prepared, self._places(indices))

    def _places(self, indices: Sequence[int]) -> tuple[Place, ...]:
        return tuple((index, number) for index in indices for number in range(len(self.checked[index].filled)))

    def collate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """`images` uint8 `[B,K,S,S]`, `labels` uint8 `[B,S,S]`, and `cases` and `slices`, their indices."""
        return {**stacked(examples), "slices": [example.slice for example in examples]}

    def network(self, backbone: Backbone | None) -> Any:
        """The decoder of single slices on the backbone.

        Raises:
            RecipeError: there is no backbone, or its pyramid does not fit the network.
            DataError: segmentation-models-pytorch is not installed.
        """
        from gmssl.parts.tasks.segmentation.network import SegmentationNetwork

        if backbone is None:
            raise RecipeError(
                "volume_segmentation has no network of its own: name an encoder with --encoder, such as `random`, or "
                "use the task volume_network."
            )
        return SegmentationNetwork(self.settings.of_slices(), backbone)

    def scoring(self, indices: Sequence[int], keep: bool = False, only_main: bool = False) -> SliceScoring:
        """Score merged volumes on the grids of their masks."""
        return SliceScoring(self, keep, only_main, size=self.settings.size, fit=self.settings.fit)

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """The scores of `gmssl.parts.tasks.masks.metrics.summary`, of volumes and in mm."""
        return summary(rows, self.classes, unit="mm")
