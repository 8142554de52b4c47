"""Pooled features of a frozen encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.data import Dataset

from gmssl.errors import DataError, TrainingError
from gmssl.evaluation.progress import Advance, unwatched
from gmssl.interfaces.data import Images
from gmssl.interfaces.views import Views
from gmssl.parts.data.dataset import PlainDataset
from gmssl.system.workers import batches, telling_limits


@contextmanager
def frozen(encoder: torch.nn.Module) -> Iterator[None]:
    """Put the encoder into evaluation mode without gradients; afterwards every module has its own training flag again.

    A probe left in training mode lets BatchNorm adapt to the images it is judged on.
    """
    modes = [(module, module.training) for module in encoder.modules()]
    encoder.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


class _Readable(Dataset[tuple[torch.Tensor, int, bool]]):
    """Gives (image, index, readable) of every image; an unreadable one is black and marked."""

    def __init__(self, images: Images, channels: int, size: int) -> None:
        self._plain = PlainDataset(images, channels, size)
        self._length = len(images)
        self._black = torch.zeros(channels, size, size, dtype=torch.uint8)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, bool]:
        try:
            return self._plain[index], index, True
        except DataError:
            return self._black, index, False


def extract(
    encoder: torch.nn.Module,
    images: Images,
    views: Views,
    channels: int,
    size: int,
    batch: int = 256,
    workers: int = 0,
    advance: Advance = unwatched,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pooled features of all readable images, without augmentation, in evaluation mode, on the encoder's device.

    Neither the encoder (weights, BatchNorm statistics, training flags) nor torch's global random state changes.

    Args:
        encoder: `[B,K,H,W] -> (map, pooled [B,C])`.
        images: what to encode.
        views: views whose `plain` normalises.
        channels: K, 1 or 3.
        size: side of the square to which the whole image is resized, in pixels.
        batch: images in one forward pass.
        workers: number of loader processes.
        advance: called for every batch.

    Returns:
        features `[N,C]` float32 and the indices `[N]` int64 of the readable images, ascending, both on the CPU.

    Raises:
        DataError: no image is readable, or a worker met a limit of the machine.
        TrainingError: there are features that are not finite.
    """
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    features, indices = [], []
    with frozen(encoder), telling_limits():
        for pixels, index, readable in batches(_Readable(images, channels, size), batch, workers):
            if readable.any():
                _, pooled = encoder(views.plain(pixels[readable].to(device)))
                features.append(pooled.float().cpu())
                indices.append(index[readable])
            advance(len(index))
    if not features:
        first = f" (first: {images.records[0].name})" if len(images) else ""
        raise DataError(f"not one of {len(images)} images is readable{first}. Check the files, or give another folder.")
    found, kept = torch.cat(features), torch.cat(indices)
    broken = (~found.isfinite()).any(dim=1)
    if broken.any():
        name = images.records[int(kept[broken][0])].name
        raise TrainingError(
            f"the encoder's features of {int(broken.sum())} of {len(found)} images are not finite (first: {name}). Its "
            "weights or BatchNorm statistics are; take an earlier checkpoint, or train with a smaller learning rate."
        )
    return found, kept
