"""Segmentation that is prompted by boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gmssl.interfaces.cases import Case
from gmssl.interfaces.task import Opened
from gmssl.parts.tasks.masks.scored import MaskTask
from gmssl.parts.tasks.prompts.settings import PromptSettings


class PromptedSegmentation(PromptSettings, MaskTask):
    """Masks of what boxes show, by Segment Anything (SAM).

    The boxes come from the annotation, in tests, too: scores say how well a network outlines what it was shown, and not
    whether it finds anything. With `--encoder own` SAM has its own image encoder; any other one is swapped in, and two
    convolutions bring the last level of its pyramid to the decoder's channels. Encoders and the encoder of prompts are
    frozen; the mask decoder trains, and the two convolutions with it.
    """

    kind: ClassVar[str] = "prompted_segmentation"
    extra: ClassVar[str | None] = "sam"

    @property
    def image_size(self) -> int:
        """Side of the images."""
        return self.size

    def open(self, cases: Sequence[Case], channels: int) -> Opened:
        """Read all masks, and find the boxes.

        Raises:
            DataError: a mask that is missing, cannot be read, has another size than its image, or holds what is of no
                class; no case has a mask that is not empty; transformers or MONAI is not installed.
            RecipeError: there is no such model.
        """
        from gmssl.parts.tasks.prompts.opened import opened

        return opened(self, cases, channels)
