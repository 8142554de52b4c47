"""Labelled images and the features that encoders and pixels make of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import torch

from gmssl.errors import DataError
from gmssl.evaluation.features import extract
from gmssl.evaluation.pixels import read
from gmssl.evaluation.progress import Advance, unwatched
from gmssl.evaluation.protocols import Known
from gmssl.evaluation.selection import Selection, Subset, class_names, unique, usable
from gmssl.interfaces.data import Images
from gmssl.interfaces.views import Views


@dataclass(frozen=True)
class Look:
    """How encoders see images.

    Attributes:
        views: views whose `plain` normalises.
        channels: 1 or 3.
        size: side of the square to which whole images are resized, in pixels.
        workers: number of loader processes.
        device: where encoders run.
        batch: images in one forward pass.
    """

    views: Views
    channels: int
    size: int
    workers: int
    device: torch.device
    batch: int = 256

    @property
    def key(self) -> tuple[int, int, str]:
        """What the tensors that encoders are given depend on; views that crop differently may normalise alike."""
        every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(1, self.channels, 1, 1)
        normalised = self.views.plain(every).contiguous().numpy().tobytes()
        return self.size, self.channels, hashlib.sha256(normalised).hexdigest()

    def features(self, encoder: torch.nn.Module, images: Images, advance: Advance = unwatched) -> torch.Tensor:
        """`[N,C]` of N images that were readable before.

        Raises:
            DataError: an image cannot be read any more, or not with these channels.
            TrainingError: there are features that are not finite.
        """
        found, readable = extract(
            encoder.to(self.device), images, self.views, self.channels, self.size, self.batch, self.workers, advance
        )
        if len(readable) < len(images):
            lost = min(set(range(len(images))) - set(readable.tolist()))
            raise DataError(
                f"{images.records[lost].name} was read in grey, but cannot be read with {self.channels} channels. "
                "Repair or remove the file."
            )
        return found


@dataclass(frozen=True, eq=False)
class Sample:
    """The images of a data set that an evaluation uses.

    Attributes:
        listed: number of images that the folder or manifest names.
        selection: which images are used, and why the others are not.
        images: the N images that are used.
        classes: labels, in the order of the class numbers.
        known: their class numbers and patients.
        thumbnails: `[N,256]` raw pixels.
        digests: fingerprints of their decoded pixels.
        excluded: number of images that would be used, but for a list that excludes them.
    """

    listed: int
    selection: Selection
    images: Images
    classes: tuple[str, ...]
    known: Known
    thumbnails: torch.Tensor
    digests: tuple[str | None, ...]
    excluded: int = 0

    def counts(self, chosen: torch.Tensor | None = None) -> dict[str, int]:
        """Number of images of each class, of all or of those that a mask `[N]` marks."""
        labels = self.known.labels if chosen is None else self.known.labels[chosen]
        found = Counter(labels.tolist())
        return {name: found[number] for number, name in enumerate(self.classes)}

    @property
    def patients(self) -> set[str]:
        """The patients that the records name."""
        return {patient for patient in self.known.patients if patient is not None}


def load(
    images: Images,
    copies: bool,
    workers: int,
    classes: tuple[str, ...] | None = None,
    advance: Advance = unwatched,
    excluded: frozenset[str] = frozenset(),
) -> Sample:
    """Read all images once and choose among them.

    Args:
        images: labelled images.
        copies: whether pixel-identical images are all used, or the first of them only.
        workers: number of loader processes.
        classes: labels that are known already; default: those that occur.
        advance: called for every batch.
        excluded: fingerprints of pixels that are left out.

    Raises:
        DataError: there is no usable image or fewer than two classes, or, with known classes, another label.
    """
    pixels = read(images, workers, advance)
    selection = (usable if copies else unique)(images.records, pixels.digests)
    listed = len(selection.indices)
    if excluded:
        selection = replace(selection, indices=tuple(i for i in selection.indices if pixels.digests[i] not in excluded))
    if classes is None:
        classes = class_names(images.records, selection.indices)
    if not selection.indices:
        raise DataError(
            f"not one of the {len(images)} test images is labelled and readable. Name test images with labels."
        )
    kept = Subset(images, selection.indices)
    labels = []
    for record in kept.records:
        if record.label not in classes:
            raise DataError(
                f"the test image {record.name} bears the label {record.label!r}, which no training image bears; there "
                f"are {', '.join(classes)}. Name the classes of both sets alike."
            )
        labels.append(classes.index(record.label))
    known = Known(torch.tensor(labels), tuple(record.patient for record in kept.records))
    rows = torch.tensor(selection.indices)
    digests = tuple(pixels.digests[i] for i in selection.indices)
    left_out = listed - len(selection.indices)
    return Sample(len(images), selection, kept, classes, known, pixels.features[rows], digests, left_out)
