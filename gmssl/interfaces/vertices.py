"""Vertices say what is matched: images, both views of them, patches, feature channels, prototypes, a queue.

Those that compute something from the whole data set are told of each epoch before it begins.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

from gmssl.interfaces.part import Part
from gmssl.lazy import torch

Truth = Literal["aligned", "halves", "learnt", "remembered"]
"""What is known of the true matching. "aligned": node i belongs to node i; "halves": it belongs to the node half a side
away; "learnt": nothing is known; "remembered": what was remembered of its image tells."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """All views of a batch, as the student's heads or the teacher's see them.

    Attributes:
        embeddings: `[V,B,D]`.
        index: `[B]` int64, positions of the images in the data set.
        patches: embeddings of the map cells if vertices read maps, `[B,P,D]` for each view; P may differ between views.
            `embeddings` are then their means.
        positions: centres of these cells, in pixels of the original images, `[B,P,2]` (x, y) for each view.
    """

    embeddings: torch.Tensor
    index: torch.Tensor
    patches: tuple[torch.Tensor, ...] = ()
    positions: tuple[torch.Tensor, ...] = ()


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Two sides of G matching problems.

    Attributes:
        left, right: node embeddings `[G,n,D]` and `[G,m,D]`.
        allowed: `[G,n,m]` bool.
        sources: which view and image the left and right nodes are, `view · B + image`, `[G,n]` and `[G,m]` int64; None
            where nodes are no images of the batch, or too many to be looked at.
        left_out: number of images that take part in no graph this time.
        samples: what regularisers look at, if not the embeddings of each view: tensors `[...,B,D]`, each of any number
            of sets that hold one embedding of each image.
        remembered: if the truth is "remembered", an earlier embedding of the image of each left node, of unit length,
            `[G,n,D]`.
    """

    left: torch.Tensor
    right: torch.Tensor
    allowed: torch.Tensor
    sources: tuple[torch.Tensor, torch.Tensor] | None = None
    left_out: int = 0
    samples: tuple[torch.Tensor, ...] = ()
    remembered: torch.Tensor | None = None


class Vertices(Part):
    """Arranges embeddings of all views into graph pairs; gathers them over ranks where a method needs the whole batch.

    Class facts:
        truth: what a `Target` may rely on.
        needs_teacher: the right side has no meaning without the momentum encoder of `Recipe.teacher`.
        reads_maps: nodes are map cells; the heads are applied to each of them, see `Encoding.patches`.
        are_images: `Arrangement.sources` names images, whose maps affinities may look at.
    """

    slot: ClassVar[str] = "vertices"
    truth: ClassVar[Truth] = "aligned"
    needs_teacher: ClassVar[bool] = False
    reads_maps: ClassVar[bool] = False
    are_images: ClassVar[bool] = False

    @abstractmethod
    def build(self, channels: int) -> torch.nn.Module:
        """A module `(student, teacher, pairs) -> Arrangement` of two `Encoding`s with D = `channels`.

        `pairs` holds the (left view, right view) to match. The teacher's embeddings carry no gradient; without a
        teacher they are the student's own, with gradient. A teacher knows no view after the last right one.
        """

    @abstractmethod
    def fault(self, batch: int) -> str | None:
        """Why a batch of this many images cannot be arranged, with the remedy; None if it can."""

    def graphs(self, batch: int) -> int:
        """Number of graphs that one pair of views of a batch makes."""
        return 1

    def nodes(self, batch: int) -> int | None:
        """Number of left nodes in one graph of a batch; None where the batch does not tell, as with map cells."""
        return batch

    def left_out(self, batch: int) -> int:
        """Number of images of a batch that no graph holds."""
        return 0

    def shortage(self, images: int) -> str | None:
        """Why a data set of this many images is too small, with the remedy; None if it is not."""
        return None


@dataclass(frozen=True, eq=False)
class Epoch:
    """The epoch that begins.

    Attributes:
        number: number of the epoch, from 0.
        images: size of the data set; every `Encoding.index` is below it.
        seed: seed of the random numbers of this epoch that all ranks share.
        pairs: the (left view, right view) that are matched.
        encodings: a pass over the whole data set, without gradient and in training mode: views of this rank's share of
            all images, as the heads of the part's own problem see them, up to the last right view. All ranks get
            equally many batches of equal size; some images come twice.
    """

    number: int
    images: int
    seed: int
    pairs: tuple[tuple[int, int], ...]
    encodings: Callable[[], Iterator[Encoding]]


@runtime_checkable
class RemembersImages(Protocol):
    """A module of any part that knows images by their number in the training data has this method."""

    def forget_images(self) -> None:
        """Forget the numbers, because other images follow; what was learnt stays."""
        ...


@runtime_checkable
class BeginsEpochs(Protocol):
    """A module of any part that has this method is told of each epoch before its first step.

    A run that is resumed within an epoch goes on without it: what the method prepares must be in the module's
    `state_dict`.
    """

    def begin_epoch(self, epoch: Epoch) -> None:
        """Prepare for the epoch; it is called on all ranks."""
        ...
