"""Vertices say what is matched: images, both views of them, feature channels, prototypes, a queue."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from gmssl.lazy import torch
from gmssl.parts import Part

Truth = Literal["aligned", "halves", "learnt"]
"""What is known of the true matching: node i belongs to node i; to the node half a side away; or nothing."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Two sides of G matching problems.

    Attributes:
        left, right: node embeddings `[G,n,D]` and `[G,m,D]`.
        allowed: `[G,n,m]` bool.
        sources: which view and image the left and right nodes are, `view · B + image`, `[G,n]` and `[G,m]` int64; None
            where nodes are no images of the batch, or too many to be looked at.
        left_out: number of images that take part in no graph this time.
    """

    left: torch.Tensor
    right: torch.Tensor
    allowed: torch.Tensor
    sources: tuple[torch.Tensor, torch.Tensor] | None = None
    left_out: int = 0


class Vertices(Part):
    """Arranges embeddings of all views into graph pairs; gathers them over ranks where a method needs the whole batch.

    Class facts:
        truth: what a `Target` may rely on.
        needs_teacher: the right side makes no sense without the momentum encoder of `Recipe.teacher`.
    """

    slot: ClassVar[str] = "vertices"
    truth: ClassVar[Truth] = "aligned"
    needs_teacher: ClassVar[bool] = False

    @abstractmethod
    def build(self, channels: int) -> torch.nn.Module:
        """A module `(student_VBD, teacher_VBD, pairs) -> Arrangement` for D = `channels`.

        `pairs` holds the (left view, right view) to match. The teacher's embeddings carry no gradient; without a
        teacher they are the student's own, with gradient.
        """

    @abstractmethod
    def fault(self, batch: int) -> str | None:
        """Why a batch of this many images cannot be arranged, with the remedy; None if it can."""

    def left_out(self, batch: int) -> int:
        """Number of images of a batch that no graph holds."""
        return 0
