"""Maps of one width and of strides 4, 8, 16 … from the levels of any backbone."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from gmssl.errors import RecipeError
from gmssl.interfaces.task import Backbone

FINEST, LEVELS = 4, 4
"""Stride of the finest level that is used, and the number of levels that are made of a single map."""


class Neck(nn.Module):
    """Maps `{"0": [B,D,H/s_0,W/s_0], …, "pool": …}` of images `[B,K,H,W]`, as torchvision's detectors read them.

    Levels of different strides go through a feature pyramid network (Lin et al., 2017). Where all have one stride, as
    in plain transformers, the last map becomes a simple feature pyramid (Li et al., ViTDet, 2022). The level `pool` is
    the coarsest one at half its resolution, for proposals only.

    Attributes:
        out_channels: D.
        strides: pixels that a cell of each level spans, `pool` included.
        mixed: whether to compute in the lower precision of autocast.
    """

    def __init__(self, backbone: Backbone, channels: int, size: int) -> None:
        """Take the levels of stride 4 and more.

        Raises:
            RecipeError: there is no level, its stride is no power of 2, or does not divide the size of images.
        """
        super().__init__()
        self.mixed = False
        self._body = (backbone,)  # not a module of this one, so that its weights have one name
        self.out_channels = channels
        used = [level for level, stride in enumerate(backbone.strides) if stride >= FINEST]
        if not used:
            raise RecipeError(
                f"the encoder has no maps of stride {FINEST} or more (its strides are {list(backbone.strides)}); "
                "detection needs them. Choose another encoder."
            )
        if len(set(backbone.strides)) == 1:
            self._used = used[-1:]
            base = _nearest_power(backbone.strides[-1])
            self.levels: nn.Module = SimplePyramid(backbone.channels[-1], channels, base, size)
            strides = self.levels.strides
        else:
            self._used = used
            strides = tuple(backbone.strides[level] for level in used)
            if any(stride != _nearest_power(stride) for stride in strides):
                raise RecipeError(
                    f"the encoder's maps have strides {list(strides)}; detection pools from powers of 2. Choose "
                    "another encoder."
                )
            wide = [backbone.channels[level] for level in used]
            self.levels = FeaturePyramidNetwork(wide, channels, extra_blocks=LastLevelMaxPool())
        if size % strides[-1]:
            raise RecipeError(f"task.size is {size}; with this encoder it must be a multiple of {strides[-1]}. Set it.")
        self.strides: tuple[int, ...] = (*strides, 2 * strides[-1])

    @property
    def names(self) -> list[str]:
        """Of the levels that regions are pooled from."""
        return [str(level) for level in range(len(self.strides) - 1)]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """All levels in float32, from fine to coarse."""
        device = images.device.type
        with torch.autocast(device, dtype=torch.get_autocast_dtype(device), enabled=self.mixed):
            maps = self._body[0].pyramid(images)
            chosen = [maps[level] for level in self._used]
            levels = self.levels(OrderedDict(zip(self.names, chosen, strict=False)))
        return OrderedDict((name, level.float()) for name, level in levels.items())


class SimplePyramid(nn.Module):
    """Four levels from one map: transposed convolutions for finer ones, pooling for coarser ones.

    After Li et al., "Exploring plain vision transformer backbones for object detection" (2022), section 3. A map whose
    stride is no power of 2 (patches of 14 pixels) is interpolated to the nearest one first, since regions are pooled
    from such strides only.
    """

    def __init__(self, width: int, channels: int, base: int, size: int) -> None:
        """Build levels of strides 4, 8, 16 and 32 from one of stride `base`."""
        super().__init__()
        self._side = size // base
        ups = [round(math.log2(base / FINEST)) - level for level in range(LEVELS)]
        self.strides = tuple(round(base / 2**up) for up in ups)
        self.branches = nn.ModuleList(_branch(width, channels, up) for up in ups)
        self.pool = LastLevelMaxPool()

    def forward(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Levels of the single map that is given."""
        (given,) = maps.values()
        if given.shape[-2:] != (self._side, self._side):
            given = nn.functional.interpolate(given, (self._side, self._side), mode="bilinear", align_corners=False)
        levels = [branch(given) for branch in self.branches]
        names = [str(level) for level in range(len(levels))]
        levels, names = self.pool(levels, levels, names)
        return OrderedDict(zip(names, levels, strict=True))


class _Norm(nn.LayerNorm):
    """Over the channels of maps `[B,C,h,w]`."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


def _branch(width: int, channels: int, up: int) -> nn.Sequential:
    """From a map to one of twice its resolution `up` times, or half of it."""
    steps: list[nn.Module] = []
    for step in range(up):
        narrow = max(width // 2, 1)
        steps.append(nn.ConvTranspose2d(width, narrow, 2, 2))
        if step < up - 1:
            steps += [_Norm(narrow), nn.GELU()]
        width = narrow
    if up < 0:
        steps.append(nn.MaxPool2d(2**-up, 2**-up))
    steps += [nn.Conv2d(width, channels, 1, bias=False), _Norm(channels)]
    steps += [nn.Conv2d(channels, channels, 3, padding=1, bias=False), _Norm(channels)]
    return nn.Sequential(*steps)


def _nearest_power(stride: float) -> int:
    return 2 ** round(math.log2(stride))
