from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image

from gmssl.interfaces.cases import Case


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Case]:
    """Make a case whose image shows its mask: a bright blob for each rectangle (top, left, bottom, right, grey)."""

    def draw(name: str, size: tuple[int, int], *blobs: tuple[int, int, int, int, int]) -> Case:
        mask = numpy.zeros(size, numpy.uint8)
        for top, left, bottom, right, grey in blobs:
            mask[top:bottom, left:right] = grey
        image = numpy.random.default_rng(len(name)).integers(0, 60, (*size, 3)).astype(numpy.uint8)
        image[mask > 0] += 150
        files = {"image": tmp_path / f"{name}.png", "mask": tmp_path / f"{name}_mask.png"}
        Image.fromarray(image).save(files["image"])
        Image.fromarray(mask).save(files["mask"])
        return Case(name, files)

    return draw
