"""Images and boxes move together: a box is compared with the rectangle that is seen in the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gmssl.parts.tasks.detection.examples import Augmentation
from gmssl.parts.tasks.detection.geometry import Frame, grid_of, whole

WIDTH, HEIGHT = 120, 90


def seen_box(image: Image.Image) -> list[float]:
    """Edges of a bright rectangle on black by its moments: centre and area are kept by averaging, edges are not."""
    values = np.asarray(image, dtype=float) / 255
    columns, rows = values.sum(0), values.sum(1)
    centres = [float((line * (np.arange(len(line)) + 0.5)).sum() / line.sum()) for line in (columns, rows)]
    sides = [float(line.sum() / line.max()) for line in (columns, rows)]
    return [centres[0] - sides[0] / 2, centres[1] - sides[1] / 2, centres[0] + sides[0] / 2, centres[1] + sides[1] / 2]


@st.composite
def frames(draw: Any) -> Frame:
    """Parts of an image around its middle, on grids of other sizes, mirrored or not."""
    part = (draw(st.floats(0, 15)), draw(st.floats(0, 10)), draw(st.floats(105, 120)), draw(st.floats(80, 90)))
    grid = (draw(st.integers(48, 200)), draw(st.integers(48, 200)))
    return Frame(part, grid, (draw(st.booleans()), draw(st.booleans())))


@given(frame=frames(), data=st.data())
def test_boxes_are_where_the_pixels_are(frame: Frame, data: Any) -> None:
    x1, y1 = data.draw(st.integers(25, 50)), data.draw(st.integers(20, 40))
    x2, y2 = x1 + data.draw(st.integers(20, 45)), y1 + data.draw(st.integers(15, 30))
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[y1:y2, x1:x2] = 255
    boxes, kept = frame.boxes(torch.tensor([[x1, y1, x2, y2]]))
    assert kept.tolist() == [True]
    assert boxes[0].tolist() == pytest.approx(seen_box(frame.image(Image.fromarray(pixels))), abs=0.2)
    assert frame.back(boxes)[0].tolist() == pytest.approx([x1, y1, x2, y2], abs=1e-3)


def test_exact_where_pixels_are_halved_and_mirrored() -> None:
    """A rectangle of even edges at half the size, looked at in the middle of each side of it."""
    frame = Frame((0, 0, WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2), (True, False))
    assert frame.boxes(torch.tensor([[10, 20, 30, 60]]))[0].tolist() == [[45, 10, 55, 30]]


@given(
    box=st.tuples(st.floats(0, 100), st.floats(0, 70), st.floats(1, 20), st.floats(1, 20)),
    size=st.tuples(st.integers(16, 3000), st.integers(16, 3000)),
    stretched=st.booleans(),
)
def test_predictions_come_back_to_the_image(box: tuple[float, ...], size: tuple[int, int], stretched: bool) -> None:
    frame = whole(size, 256, stretched)
    x, y, w, h = box
    corners = [x / 120 * size[0], y / 90 * size[1], (x + w) / 120 * size[0], (y + h) / 90 * size[1]]
    there, _ = frame.boxes(torch.tensor([corners], dtype=torch.float64))
    assert frame.back(there)[0].tolist() == pytest.approx(corners, rel=1e-4, abs=1e-3)
    assert max(frame.grid) == 256


def test_predictions_end_at_the_image() -> None:
    frame = whole((200, 100), 64, True)
    assert frame.back(torch.tensor([[-3.0, -1.0, 70.0, 65.0]])).tolist() == [[0, 0, 200, 100]]


def test_the_aspect_is_kept_or_not() -> None:
    assert grid_of((640, 480), 256, True) == (256, 256)
    assert grid_of((640, 480), 256, False) == (256, 192)
    assert grid_of((480, 640), 256, False) == (192, 256)
    assert grid_of((5000, 3), 256, False) == (256, 1)


def test_boxes_are_cut_off_and_left_out() -> None:
    """Of a cut-out from x = 60 on: half a box is kept, a fifth of one is not, nor one that is elsewhere."""
    frame = Frame((60, 0, 120, 90), (60, 90))
    boxes, kept = frame.boxes(torch.tensor([[50.0, 0, 70, 10], [52, 0, 62, 10], [0, 0, 10, 10]]))
    assert kept.tolist() == [True, False, False]
    assert boxes[0].tolist() == [0, 0, 10, 10]


@given(seed=st.integers(0, 2**32), zoom=st.floats(0.3, 1))
def test_parts_are_within_the_image(seed: int, zoom: float) -> None:
    at = whole((WIDTH, HEIGHT), 64, True)
    frame = Augmentation((True, True), zoom, 0.0).frame(at, np.random.default_rng(seed))
    x1, y1, x2, y2 = frame.part
    assert 0 <= x1 < x2 <= WIDTH
    assert 0 <= y1 < y2 <= HEIGHT
    assert (x2 - x1) / WIDTH == pytest.approx((y2 - y1) / HEIGHT)
    assert (x2 - x1) / WIDTH >= zoom - 1e-9


def test_light_changes_pixels_and_keeps_their_order() -> None:
    image = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    seen = Augmentation((False, False), 1.0, 0.4).lit(image, np.random.default_rng(1))
    assert seen.dtype == torch.uint8
    assert not torch.equal(seen, image)
    assert (seen.flatten().int().diff() >= 0).all()
    assert Augmentation((False, False), 1.0, 0.0).lit(image, np.random.default_rng(1)) is image
