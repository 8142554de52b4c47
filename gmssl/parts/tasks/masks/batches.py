"""Batches of images with labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch


class Labelled(Protocol):
    """An image or volume uint8 `[K,...]`, its labels uint8 `[...]`, and the index of its case."""

    @property
    def image(self) -> torch.Tensor:
        """The channels of the image."""
        ...

    @property
    def labels(self) -> torch.Tensor:
        """A class for each of its cells."""
        ...

    @property
    def case(self) -> int:
        """Which case it is of."""
        ...


def stacked(examples: Sequence[Labelled]) -> dict[str, Any]:
    """`images` uint8 `[B,K,...]`, `labels` uint8 `[B,...]`, and `cases`, their indices."""
    return {
        "images": torch.stack([example.image for example in examples]),
        "labels": torch.stack([example.labels for example in examples]),
        "cases": [example.case for example in examples],
    }
