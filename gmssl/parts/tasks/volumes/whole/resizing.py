"""Volumes on another grid, and predictions back on their own; no resizing shifts anything by a part of a voxel."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional


def resized(values: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
    """Linear interpolation of float32 `[C,N,H,W]` to `size`, smoothed along axes that shrink."""
    channels, slices, height, width = values.shape
    if (height, width) != size[1:]:
        flat = values.reshape(channels * slices, 1, height, width)
        values = _resized(flat, size[1:]).reshape(channels, slices, *size[1:])
    if slices != size[0]:
        rows = values.reshape(channels, 1, slices, size[1] * size[2])
        values = _resized(rows, (size[0], size[1] * size[2])).reshape(channels, *size)
    return values


def resized_labels(labels: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """Labels uint8 `[N,H,W]` on a grid of `size`: of each of its voxels the label that most of it is covered by."""
    if labels.shape == size:
        return labels
    present = np.unique(labels)
    best = np.zeros(size, np.uint8)
    most = torch.full(size, -1.0, dtype=torch.float32, device="cpu")
    for label in present:  # one share at a time
        share = resized(torch.from_numpy((labels == label).astype(np.float32))[None], size)[0]
        more = share > most
        best[more.numpy()] = label
        most = torch.where(more, share, most)
    return best


def labels_back(scores: torch.Tensor, size: tuple[int, int, int]) -> np.ndarray:
    """The class of the greatest score, uint8 `[N,H,W]` on a grid of `size`, of scores `[C,n,h,w]` on another one."""
    between = resized(scores.float(), (size[0], scores.shape[2], scores.shape[3]))
    out = np.empty(size, np.uint8)
    for number, drawn in enumerate(out):  # all classes of a large volume at once may not fit into memory
        own = resized(between[:, number : number + 1], (1, *size[1:]))
        drawn[...] = own[:, 0].argmax(dim=0).numpy()
    return out


def _resized(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    smaller = size[0] < values.shape[2] or size[1] < values.shape[3]
    return functional.interpolate(values, size, mode="bilinear", align_corners=False, antialias=smaller)
