"""Copies of images as people make them, and images to copy."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy.ndimage import gaussian_filter

Change = Callable[[Image.Image, np.random.Generator], Image.Image]

BRAIN = Path(__file__).parents[4] / "shared" / "data" / "brain_tumor_mri" / "index.csv"
BREAST = BRAIN.parents[1] / "breast_ultrasound" / "index.csv"


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("L")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def crop(image: Image.Image, share: float, y: float, x: float) -> Image.Image:
    width, height = round(image.width * share), round(image.height * share)
    left, top = round(x * (image.width - width)), round(y * (image.height - height))
    return image.crop((left, top, left + width, top + height))


def mapped(image: Image.Image, curve: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    values = np.rint(np.clip(curve(np.arange(256) / 255), 0, 1) * 255)
    return image.point(values.astype(int).tolist())


CHANGES: dict[str, Change] = {
    "JPEG 90": lambda image, _: jpeg(image, 90),
    "JPEG 60": lambda image, _: jpeg(image, 60),
    "JPEG 30": lambda image, _: jpeg(image, 30),
    "half the size": lambda image, _: scaled(image, 0.5),
    "one and a half": lambda image, _: scaled(image, 1.5),
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "upside down": lambda image, _: ImageOps.flip(image),
    "half a turn": lambda image, _: image.transpose(Image.Transpose.ROTATE_180),
    "quarter turn": lambda image, _: image.transpose(Image.Transpose.ROTATE_90),
    "crop of 95 %": lambda image, g: crop(image, 0.95, g.random(), g.random()),
    "crop of 90 %": lambda image, g: crop(image, 0.9, g.random(), g.random()),
    "crop of 80 %": lambda image, g: crop(image, 0.8, g.random(), g.random()),
    "gamma 0.5": lambda image, _: mapped(image, lambda v: v**0.5),
    "gamma 2": lambda image, _: mapped(image, lambda v: v**2),
    "half the contrast": lambda image, _: mapped(image, lambda v: 0.3 + 0.5 * v),
    "window 10–70 %": lambda image, _: mapped(image, lambda v: (v - 0.1) / 0.6),
    "window 0–40 %": lambda image, _: mapped(image, lambda v: v / 0.4),
    "negative": lambda image, _: ImageOps.invert(image),
    "mirrored, crop of 92 %, gamma 0.7, 224 px, JPEG 50": lambda image, g: jpeg(
        mapped(crop(ImageOps.mirror(image), 0.92, g.random(), g.random()), lambda v: v**0.7).resize((224, 224)), 50
    ),
}


def drawn(seed: int, side: int = 128) -> Image.Image:
    """An organ before a dark ground, with textures of three scales, all of them its own."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    a, b = generator.uniform(0.6, 0.9, 2)
    organ = (y / a) ** 2 + (x / b) ** 2 < 1
    texture = sum(scale * gaussian_filter(generator.normal(size=(side, side)), scale) for scale in (1.5, 4, 10))
    texture = (texture - texture.min()) / np.ptp(texture)
    return Image.fromarray((organ * (40 + 190 * texture)).astype(np.uint8))
