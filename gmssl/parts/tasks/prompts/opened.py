"""The task with its cases: masks have been read and checked, and boxes are known."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Backbone, Row, Scores, Value, told
from gmssl.parts.tasks.images import case_size
from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.masks.metrics import summary
from gmssl.parts.tasks.masks.reading import label_map
from gmssl.parts.tasks.prompts import models
from gmssl.parts.tasks.prompts.examples import Example, Prompt, PromptedTest, PromptedTraining, prompts_of, together
from gmssl.parts.tasks.prompts.files import Loaded, places
from gmssl.parts.tasks.prompts.network import Adapter, OwnNeck, PromptedNetwork, Running
from gmssl.parts.tasks.prompts.scoring import PromptedScoring
from gmssl.parts.tasks.prompts.settings import TINY, PromptSettings

_log = logging.getLogger(__name__)

_MASK_REMEDY = (
    "Correct these masks or task.classes (class → grey values), set task.threshold for masks with grey edges, or leave "
    "such cases out."
)


class OpenedPrompts:
    """Cases with their boxes; see `gmssl.interfaces.task.Opened`."""

    metric = "dice"
    higher_is_better = True

    def __init__(
        self,
        settings: PromptSettings,
        cases: Sequence[Case],
        channels: int,
        prompts: Sequence[Sequence[Prompt]],
        facts: Mapping[str, Value],
    ) -> None:
        self._settings, self._cases, self._channels, self._prompts = settings, cases, channels, prompts
        self.classes = settings.names
        self.facts = facts

    def training(self, indices: Sequence[int], seed: int) -> PromptedTraining:
        """Examples of the cases that have a box.

        Raises:
            DataError: none of them has.
        """
        chosen = [place for place in self._chosen(indices) if place[2]]
        if not chosen:
            raise DataError(
                f"not one of the {len(indices)} cases to learn from has a mask that is not empty, so there is no box. "
                "Change the split, or the cases."
            )
        return PromptedTraining(self._settings, chosen, self._channels, self._settings.size // 4, seed)

    def testing(self, indices: Sequence[int]) -> PromptedTest:
        """Examples of the cases, those without a box, too."""
        return PromptedTest(self._settings, self._chosen(indices), self._channels)

    def _chosen(self, indices: Sequence[int]) -> list[tuple[int, Case, Sequence[Prompt]]]:
        return [(index, self._cases[index], self._prompts[index]) for index in indices]

    def collate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """A batch."""
        return together(examples)

    def network(self, backbone: Backbone | None) -> PromptedNetwork:
        """SAM with its own encoder, or with a backbone in its place.

        Raises:
            RecipeError: the model cannot be loaded, or settings of the own encoder are given with a backbone.
        """
        settings = self._settings
        if settings.model == TINY:
            sam, loaded = models.tiny(settings.tiny_sizes, settings.size)
        else:
            sam, loaded = models.load(settings.model, settings.size)
        if backbone is None:
            adapter, encoder_loaded = self._own_encoder(sam)
        else:
            self._refuse_settings_of_own()
            adapter, encoder_loaded = self._adapter(sam, backbone), None
        running = Running(settings.trains == "decoder", settings.cache)
        words = models.told(loaded, encoder_loaded)
        _log.info("SAM: %s", words)
        return PromptedNetwork(sam, adapter, backbone, running, words)

    def _own_encoder(self, sam: Any) -> tuple[nn.Module, Loaded | None]:
        """SAM's image encoder; an encoder's file without a neck leaves SAM's neck to be trained."""
        if self._settings.encoder_weights is None:
            return nn.Identity(), None
        loaded, with_neck = models.load_encoder(sam, self._settings.encoder_weights.expanduser())
        if with_neck:
            return nn.Identity(), loaded
        neck = OwnNeck(sam.vision_encoder.neck)
        sam.vision_encoder.neck = nn.Identity()
        return neck, loaded

    def _adapter(self, sam: Any, backbone: Backbone) -> Adapter:
        if not backbone.channels:
            raise RecipeError(
                "task: prompted_segmentation needs the maps of an encoder, and this one has pooled features only. Give "
                "an encoder with a pyramid, such as timm:resnet50, or `--encoder own` for SAM's."
            )
        prompts = sam.config.prompt_encoder_config
        return Adapter(backbone.channels[-1], prompts.hidden_size, self._settings.size // prompts.patch_size)

    def _refuse_settings_of_own(self) -> None:
        given = {"trains: nothing": self._settings.trains == "nothing"}
        given["encoder_weights"] = self._settings.encoder_weights is not None
        for name in [name for name, is_given in given.items() if is_given]:
            raise RecipeError(
                f"task: {name} is for SAM's own encoder, and an encoder was given in its place. Use `--encoder own`, "
                "or remove the key."
            )

    def scoring(self, indices: Sequence[int], keep: bool = False, only_main: bool = False) -> PromptedScoring:
        """Score predictions of these cases."""
        return PromptedScoring(self._settings, self._chosen(indices), self.classes, keep, only_main)

    def summarise(self, rows: Sequence[Row]) -> Scores:
        """Means over cases; see `gmssl.parts.tasks.masks.metrics.summary`."""
        return summary(rows, self.classes)


def opened(settings: PromptSettings, cases: Sequence[Case], channels: int) -> OpenedPrompts:
    """Read all masks.

    Raises:
        DataError, RecipeError: see `PromptedSegmentation.open`.
    """
    models.transformers()
    models.monai()
    if settings.model != TINY:
        places(settings.model)
    prompts: list[list[Prompt]] = []
    faults: list[str] = []
    for case in cases:
        try:
            prompts.append(_prompts(settings, case, channels))
        except DataError as fault:
            faults.append(str(fault).rstrip("."))
    if faults:
        raise DataError(told(faults, _MASK_REMEDY))
    if not any(prompts):
        raise DataError(f"the masks of all {len(cases)} cases are empty, so there is no box. Check task.classes.")
    return OpenedPrompts(settings, cases, channels, prompts, _facts(settings, cases, prompts))


def _prompts(settings: PromptSettings, case: Case, channels: int) -> list[Prompt]:
    labels = label_map(case, settings.classes, settings.threshold)
    width, height = case_size(case.image)
    if labels.shape != (height, width):
        raise DataError(
            f"the mask of {case.name} has {labels.shape[1]}×{labels.shape[0]} pixels, its image {width}×{height}"
        )
    place = Fitted.of((height, width), settings.size, settings.fit)
    return prompts_of(labels, len(settings.names), settings.boxes, place)


def _facts(settings: PromptSettings, cases: Sequence[Case], prompts: Sequence[Sequence[Prompt]]) -> dict[str, Value]:
    classes = settings.names
    there = Counter(label for case in prompts for label in {prompt.label for prompt in case})
    facts: dict[str, Value] = {
        "cases": len(cases),
        "boxes": sum(map(len, prompts)),
        "cases_with_class": {name: there[number] for number, name in enumerate(classes, start=1)},
        "cases_without_box": [case.name for case, found in zip(cases, prompts, strict=True) if not found],
    }
    return facts
