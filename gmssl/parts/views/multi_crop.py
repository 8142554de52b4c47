"""Multi-crop views: a few large crops and optionally some small ones."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gmssl.errors import DataError
from gmssl.interfaces.views import Draw, ImageViews, ViewBatch, Views
from gmssl.lazy import numpy, torch
from gmssl.parts.views.geometry import UNIFORMS, crop_affine, cut, random_box

if TYPE_CHECKING:
    from PIL import Image


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 < pair[0] <= pair[1] < math.inf:
        raise ValueError(f"a range is (low, high) with 0 < low ≤ high, not {pair}; correct the two numbers")
    return pair


def _share(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[1] > 1:
        raise ValueError(f"a crop's share of the image area is at most 1, not {pair[1]}; correct the second number")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Share = Annotated[Range, AfterValidator(_share)]
Probability = Annotated[float, Field(ge=0, le=1)]

# Means and standard deviations of ImageNet, which timm's pretrained weights expect; for grey their average.
IMAGENET = {3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), 1: ((0.449,), (0.226,))}


class MultiCrop(Views):
    """Random-resized crops, flip, colour jitter, Gaussian blur, normalisation (LVM-Med, training; after VICRegL).

    Two large views are LVM-Med as published; two large and two small ones are the released code. Parameters of a view
    come from a Philox stream of its own (seed, epoch, image index, copy, view), so neither the number of workers and
    ranks nor that of the other views changes them. Jitter, greyscale and blur run in this order on the training device.
    """

    kind: ClassVar[str] = "multi_crop"
    interpolation: ClassVar[str | None] = "bilinear"

    large: int = Field(2, ge=1, description="number of large crops")
    large_size: int = Field(224, ge=1, description="their side in pixels")
    large_scale: Share = Field((0.4, 1.0), description="range of their share of the image's area")
    small: int = Field(0, ge=0, description="number of small crops")
    small_size: int = Field(96, ge=1, description="their side in pixels")
    small_scale: Share = Field((0.08, 0.4), description="range of their share of the image's area")
    matched: Literal["once", "to_large"] = Field(
        "once",
        description="once: each pair in one direction; to_large: each view, on the left, with each other large one",
    )
    aspect: Range = Field((3 / 4, 4 / 3), description="range of width / height of the window a crop is cut from")
    flip: Probability = Field(0.5, description="probability of a left-right flip")
    jitter: Probability = Field(0.8, description="probability of the four colour changes below, together")
    brightness: float = Field(0.4, ge=0, description="factor from [max(0, 1−b), 1+b]")
    contrast: float = Field(0.4, ge=0, description="factor from [max(0, 1−c), 1+c]")
    saturation: float = Field(0.2, ge=0, description="factor from [max(0, 1−s), 1+s]; colour images only")
    hue: float = Field(0.1, ge=0, le=0.5, description="turn from [−h, h] of the colour circle; colour images only")
    greyscale: Probability = Field(0.0, description="probability that a colour image loses its colour")
    blur: Probability = Field(0.5, description="probability of a Gaussian blur")
    sigma: Range = Field((0.1, 2.0), description="range of the blur's standard deviation in pixels of the crop")
    mean: tuple[float, ...] | Literal["encoder"] | None = Field(
        None,
        description="of the pixels in [0, 1], one number or one a channel; null: ImageNet's; encoder: what its "
        "pretrained weights expect, the default if it begins pretrained",
    )
    std: tuple[Annotated[float, Field(gt=0)], ...] | Literal["encoder"] | None = Field(None, description="as `mean`")

    @model_validator(mode="after")
    def _views_fit(self) -> MultiCrop:
        if self.large + self.small < 2:
            raise ValueError("large + small is one view, and matching needs two; set large: 2")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if isinstance(numbers, tuple) and len(numbers) not in (1, 3):
                raise ValueError(f"{name} has {len(numbers)} numbers; give one, or three for colour images")
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the large views, then of the small ones."""
        return (self.large_size,) * self.large + (self.small_size,) * self.small

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """`once` gives each pair of large views if there are no small ones, else each large view with every other view.

        `to_large` is for methods whose right view teaches the left one (BYOL, SwAV, DINO): large views teach.
        """
        if self.matched == "to_large":
            views = range(self.large + self.small)
            return tuple((left, right) for right in range(self.large) for left in views if left != right)
        if not self.small:
            return tuple(combinations(range(self.large), 2))
        views = range(self.large + self.small)
        return tuple((left, right) for left in range(self.large) for right in views if left != right)

    def fault(self, channels: int) -> str | None:
        """Three means or standard deviations need three channels."""
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if isinstance(numbers, tuple) and len(numbers) > channels:
                return (
                    f"views.{name} has {len(numbers)} numbers, but images have {channels} channel(s) "
                    "(encoder.in_channels); give one number, or one a channel"
                )
        return None

    def crop(self, image: Image.Image, draw: Draw) -> ImageViews:
        """Crops `[K,size,size]` with their affines and photometric parameters.

        The columns of `photometric` are brightness, contrast, saturation, hue, grey (0 or 1) and sigma (0 for no blur).
        """
        pixels_HWK = torch.from_numpy(numpy.array(image)).view(image.height, image.width, -1)
        crops, affines, photometric = [], [], []
        for view, size in enumerate(self.sizes):
            scale = self.large_scale if view < self.large else self.small_scale
            uniforms = _uniforms(draw, view)
            box = random_box(image.width, image.height, scale, self.aspect, uniforms[:UNIFORMS])
            flip = uniforms[UNIFORMS] < self.flip
            crops.append(cut(pixels_HWK, box, size, flip))
            affines.append(crop_affine(box, size, flip))
            photometric.append(self._photometric(*uniforms[UNIFORMS + 1 :]))
        return ImageViews(tuple(crops), numpy.array(affines), numpy.array(photometric, dtype=numpy.float32))

    def _photometric(
        self, *uniforms: float
    ) -> tuple[float, float, float, float, float, float]:  # as many as `PHOTOMETRIC_UNIFORMS`
        jitter, brightness, contrast, saturation, hue, grey, blur, sigma = uniforms
        on = jitter < self.jitter
        return (
            _factor(self.brightness, brightness) if on else 1.0,
            _factor(self.contrast, contrast) if on else 1.0,
            _factor(self.saturation, saturation) if on else 1.0,
            self.hue * (2 * hue - 1) if on else 0.0,
            float(grey < self.greyscale),
            self.sigma[0] + (self.sigma[1] - self.sigma[0]) * sigma if blur < self.blur else 0.0,
        )

    def finish(self, batch: ViewBatch) -> ViewBatch:
        """Float32 views after jitter, greyscale, blur and normalisation, in float32 also under autocast."""
        with torch.autocast(batch.photometric.device.type, enabled=False), torch.no_grad():
            images = tuple(self._finish(x, q) for x, q in zip(batch.images, batch.photometric, strict=True))
        return ViewBatch(images, batch.affines, batch.photometric, batch.index, batch.unreadable)

    def _finish(self, images: torch.Tensor, photometric_BQ: torch.Tensor) -> torch.Tensor:
        from gmssl.parts.views import photometric as change

        brightness, contrast, saturation, hue, grey, sigma = photometric_BQ.unbind(1)
        colour = images.shape[1] == 3
        x = _unit(images)
        if self.jitter and self.brightness:
            x = change.adjust_brightness(x, brightness)
        if self.jitter and self.contrast:
            x = change.adjust_contrast(x, contrast)
        if self.jitter and self.saturation and colour:
            x = change.adjust_saturation(x, saturation)
        if self.jitter and self.hue and colour:
            x = change.adjust_hue(x, hue)
        if self.greyscale and colour:
            x = change.to_grey(x, grey > 0)
        if self.blur:
            x = change.gaussian_blur(x, sigma, radius=math.ceil(3 * self.sigma[1]))
        return self._normalise(x)

    def plain(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float32 images from uint8 ones."""
        return self._normalise(_unit(images))

    def awaiting(self) -> Self:
        """`mean` and `std` become `encoder` where they were not set."""
        unset = {name for name in ("mean", "std") if name not in self.model_fields_set}
        return self.model_copy(update=dict.fromkeys(unset, "encoder")) if unset else self

    def adopting(self, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> Self:
        """Put numbers where `encoder` stood; ImageNet's stay unwritten, as in every recipe that means them."""
        found = {}
        for name, numbers, usual in (("mean", mean, 0), ("std", std, 1)):
            if getattr(self, name) == "encoder":
                found[name] = None if numbers in [default[usual] for default in IMAGENET.values()] else numbers
        return self.model_copy(update=found) if found else self

    def statistics(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """The given numbers, or ImageNet's; None while the encoder's are awaited."""
        if "encoder" in (self.mean, self.std):
            return None
        mean, std = IMAGENET[channels]
        return tuple(self.mean or mean), tuple(self.std or std)  # type: ignore[arg-type]

    def _normalise(self, images: torch.Tensor) -> torch.Tensor:
        channels = images.shape[1]
        fault = self.fault(channels)
        if fault:
            raise DataError(f"{fault}.")
        given = self.statistics(channels)
        if given is None:
            raise DataError(
                "views.mean or views.std is `encoder`, whose statistics have not been looked up; load the recipe with "
                "gmssl.recipe.statistics.resolved, or give numbers."
            )
        shift, scale = (
            torch.tensor(numbers, dtype=images.dtype, device=images.device)[:, None, None] for numbers in given
        )
        return images.sub_(shift).div_(scale)


PHOTOMETRIC_UNIFORMS = 8


def _uniforms(draw: Draw, view: int) -> list[float]:
    """Numbers from [0, 1) of a view's own stream.

    Philox is counter-based: key (seed, epoch) and the high counter words (copy, view, index) name the stream, and a
    stream would have to run for 2^64 blocks to reach its neighbour.
    """
    key = numpy.array((draw.seed, draw.epoch), dtype=numpy.uint64)
    counter = numpy.array((0, draw.copy, view, draw.index), dtype=numpy.uint64)
    stream = numpy.random.Generator(numpy.random.Philox(key=key, counter=counter))
    return stream.random(UNIFORMS + 1 + PHOTOMETRIC_UNIFORMS).tolist()


def _unit(images: torch.Tensor) -> torch.Tensor:
    """uint8 to float in [0, 1], channel planes apart."""
    return images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _factor(strength: float, uniform: float) -> float:
    low = max(0.0, 1 - strength)
    return low + (1 + strength - low) * uniform
