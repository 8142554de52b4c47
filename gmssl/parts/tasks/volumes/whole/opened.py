"""Volumes that have been read and checked, for networks that see them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gmssl.errors import RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Backbone, Row, Scores, Value
from gmssl.parts.tasks.masks.batches import stacked
from gmssl.parts.tasks.masks.metrics import summary
from gmssl.parts.tasks.volumes.checking import Checked, facts_of, refuse_empty
from gmssl.parts.tasks.volumes.scoring import VolumeScoring
from gmssl.parts.tasks.volumes.whole.examples import Example, Prepared, Testing, Training
from gmssl.parts.tasks.volumes.whole.resizing import labels_back
from gmssl.parts.tasks.volumes.whole.settings import WholeSettings


@dataclass
class OpenedWhole:
    """Volumes with masks, as `gmssl.interfaces.task.Opened` describes."""

    settings: WholeSettings
    cases: Sequence[Case]
    checked: Sequence[Checked]
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        self._prepared = Prepared(self.settings, self.cases, self.checked)
        self.classes: tuple[str, ...] = self.settings.scored_names
        self.metric: str = self.settings.metric
        self.facts: Mapping[str, Value] = facts_of(self.settings, self.checked)

    def training(self, indices: Sequence[int], seed: int) -> Training:
        """Patches of these volumes, changed at random.

        Raises:
            DataError: none of them has a voxel of any class, from which nothing can be learnt.
        """
        refuse_empty(self.settings, self.checked, indices)
        return Training(self._prepared, tuple(indices), seed)

    def testing(self, indices: Sequence[int]) -> Testing:
        """These volumes as they are."""
        return Testing(self._prepared, tuple(indices))

    def collate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """`images` uint8 `[B,K,D,H,W]`, `labels` uint8 `[B,D,H,W]`, and `cases`, their indices."""
        return stacked(examples)

    def network(self, backbone: Backbone | None) -> Any:
        """The network, with the weights of the settings or with random ones.

        Raises:
            RecipeError: a backbone is given, or weights do not fit.
            DataError: MONAI is not installed, or the weights cannot be read.
        """
        from gmssl.parts.tasks.volumes.whole.network import WholeNetwork

        if backbone is not None:
            raise RecipeError(
                "volume_network is a network of its own and puts no other encoder to use: run it with --encoder own, "
                "or use the task volume_segmentation."
            )
        return WholeNetwork(self.settings)

    def scoring(self, indices: Sequence[int], keep: bool = False, only_main: bool = False) -> WholeScoring:
        """Score volumes on the grids of their masks."""
        return WholeScoring(self, keep, only_main)

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """The scores of `gmssl.parts.tasks.masks.metrics.summary`, of volumes and in mm."""
        return summary(rows, self.classes, unit="mm")


class WholeScoring(VolumeScoring):
    """Volumes that come as probabilities on the grid of the network."""

    def add(self, batch: dict[str, Any], predicted: torch.Tensor) -> None:
        """Take probabilities `[B,1+classes,D,H,W]`."""
        for index, probabilities in zip(batch["cases"], predicted.detach().cpu(), strict=True):
            check = self.opened.checked[index]
            first, second, third = (check.shape[axis] for axis in check.cut.axes)
            self.take(index, labels_back(probabilities, (first, second, third)))
