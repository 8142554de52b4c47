"""How phantoms are drawn: an organ, a pattern in it, and what the modality makes of both.

All is float32 `[S,S]` on the square [−1, 1]², x to the right and y down; lengths below are shares of half the side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

Array = np.ndarray


def draw_phantom(seed: int, index: int, size: int, modality: str, pattern: str) -> Array:
    """One phantom, uint8 `[size,size]`, the same for the same arguments."""
    rng = np.random.Generator(np.random.Philox(key=np.array((seed, index), dtype=np.uint64)))
    x, y = _grid(size)
    organ = _ellipse(rng, x, y, centre=0.1, radius=(0.8, 1.1))
    disease = PATTERNS[pattern](rng, x, y)
    sign = 1.0 if rng.random() < 0.5 else -1.0
    tissue = 0.5 + sign * rng.uniform(0.35, 0.5) * (disease - disease.mean())
    image = MODALITIES[modality](rng, x, y, organ, tissue)
    image = image * rng.uniform(0.6, 1.0) + rng.uniform(-0.05, 0.2)
    image += rng.uniform(0.01, 0.03) * rng.standard_normal(image.shape, dtype=np.float32)
    return (image.clip(0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[Array, Array]:
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    return np.meshgrid(axis, axis)


def _edge(inside: Array, softness: float = 0.05) -> Array:
    """0 where negative, 1 where above `softness`, linear between."""
    return (inside * (1 / softness)).clip(0, 1)


def _ellipse(rng: np.random.Generator, x: Array, y: Array, centre: float, radius: tuple[float, float]) -> Array:
    """Soft mask of a turned ellipse."""
    cx, cy = rng.uniform(-centre, centre, 2).tolist()
    a, b = rng.uniform(*radius, 2).tolist()
    angle = rng.uniform(0, np.pi)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    u, v = c * (x - cx) + s * (y - cy), c * (y - cy) - s * (x - cx)
    return _edge(1 - np.sqrt((u / a) ** 2 + (v / b) ** 2))


def _distances(rng: np.random.Generator, x: Array, y: Array, number: int) -> Array:
    """Distances `[number,S,S]` to points on a jittered lattice, so that patterns cover the organ evenly."""
    side = int(np.ceil(np.sqrt(number)))
    cells = rng.permutation(side * side)[:number]
    px = (2 * (cells % side + rng.random(number)) / side - 1).astype(np.float32)
    py = (2 * (cells // side + rng.random(number)) / side - 1).astype(np.float32)
    return np.sqrt((x - px[:, None, None]) ** 2 + (y - py[:, None, None]) ** 2)


def _clear(rng: np.random.Generator, x: Array, y: Array) -> Array:
    return np.zeros_like(x)


def _nodular(rng: np.random.Generator, x: Array, y: Array) -> Array:
    number = int(rng.integers(10, 24))
    radii = rng.uniform(0.1, 0.2, (number, 1, 1)).astype(np.float32)
    return _edge((radii - _distances(rng, x, y, number)).max(0))


def _cystic(rng: np.random.Generator, x: Array, y: Array) -> Array:
    number = int(rng.integers(7, 14))
    radii = rng.uniform(0.2, 0.36, (number, 1, 1)).astype(np.float32)
    return _edge((0.06 - np.abs(_distances(rng, x, y, number) - radii)).max(0), 0.04)


def _reticular(rng: np.random.Generator, x: Array, y: Array) -> Array:
    number = int(rng.integers(8, 13))
    angle = rng.uniform(0, np.pi, (number, 1, 1)).astype(np.float32)
    offset = rng.uniform(-0.9, 0.9, (number, 1, 1)).astype(np.float32)
    return _edge((0.06 - np.abs(np.cos(angle) * x + np.sin(angle) * y - offset)).max(0), 0.04)


def _cloudy(rng: np.random.Generator, x: Array, y: Array) -> Array:
    waves = 6
    frequency = rng.uniform(3, 7, (waves, 1, 1)).astype(np.float32)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, waves, 1, 1)).astype(np.float32)
    field = np.sin(frequency * (np.cos(angle) * x + np.sin(angle) * y) + phase).sum(0)
    return _edge(field + 1.5, 3.0)


def _ct(rng: np.random.Generator, x: Array, y: Array, organ: Array, tissue: Array) -> Array:
    bones = np.maximum(*(_ellipse(rng, x, y, centre=0.5, radius=(0.08, 0.16)) for _ in range(2)))
    return np.maximum(organ * tissue, bones)


def _mri(rng: np.random.Generator, x: Array, y: Array, organ: Array, tissue: Array) -> Array:
    bias = 1 + rng.uniform(-0.35, 0.35) * x + rng.uniform(-0.35, 0.35) * y
    fat = organ * (1 - organ) * 4
    return np.maximum(organ * tissue, 0.8 * fat) * bias


def _ultrasound(rng: np.random.Generator, x: Array, y: Array, organ: Array, tissue: Array) -> Array:
    depth = np.hypot(x, y + 1.3)
    fan = _edge(2.25 - depth) * _edge(rng.uniform(0.7, 1.0) - np.abs(x) / (y + 1.6))
    speckle = rng.standard_exponential(x.shape, dtype=np.float32) * 0.25 + 0.75
    return fan * (0.35 + 0.65 * organ) * tissue * speckle * (1.3 - 0.3 * depth)


def _xray(rng: np.random.Generator, x: Array, y: Array, organ: Array, tissue: Array) -> Array:
    ribs = np.sin(rng.uniform(8, 12) * (y + rng.uniform(0.2, 0.5) * x * x) + rng.uniform(0, 6.3))
    return 0.85 - organ * (0.75 - 0.8 * tissue) + 0.07 * ribs


def _microscopy(rng: np.random.Generator, x: Array, y: Array, organ: Array, tissue: Array) -> Array:
    vignette = 1 - rng.uniform(0.1, 0.4) * (x * x + y * y)
    return (0.95 - (0.4 + 0.6 * organ) * (0.9 - tissue)) * vignette


Pattern = Callable[[np.random.Generator, Array, Array], Array]
Modality = Callable[[np.random.Generator, Array, Array, Array, Array], Array]
PATTERNS: dict[str, Pattern] = {
    "clear": _clear,
    "nodular": _nodular,
    "reticular": _reticular,
    "cystic": _cystic,
    "cloudy": _cloudy,
}
MODALITIES: dict[str, Modality] = {
    "ct": _ct,
    "mri": _mri,
    "ultrasound": _ultrasound,
    "xray": _xray,
    "microscopy": _microscopy,
}
