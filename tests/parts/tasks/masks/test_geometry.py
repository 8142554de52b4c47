"""Image and annotation move together, by no part of a pixel too far."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from torch.nn.functional import interpolate

from gmssl.parts.tasks.masks.augmentation import UNCHANGED, Augmentation, Change
from gmssl.parts.tasks.masks.fitting import Fitted
from gmssl.parts.tasks.masks.reading import UNCOUNTED

changes = st.builds(
    Change,
    mirrored=st.tuples(st.booleans(), st.booleans()),
    degrees=st.floats(-180, 360),
    scale=st.floats(0.8, 1.3),
    shift=st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
)


def blob(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """A disc about (x, y), where pixel (0, 0) covers [0, 1) × [0, 1)."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def centre_of(weights: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


@given(changes, st.floats(50, 78), st.floats(50, 78))
def test_image_and_labels_move_together(change: Change, x: float, y: float) -> None:
    drawn = blob((128, 128), (x, y), 9)
    image = change.image(Image.fromarray(drawn.astype(np.uint8) * 255))
    labels = change.labels(drawn.astype(np.uint8))
    expected = change.points(np.array([centre_of(drawn.astype(float))]), 128)[0]
    assert centre_of(np.asarray(image, float)) == pytest.approx(expected, abs=0.1)
    assert centre_of((labels == 1).astype(float)) == pytest.approx(expected, abs=0.55)  # all of them may round alike
    assert (labels == 1).sum() == pytest.approx(drawn.sum() * change.scale**2, rel=0.1)


def test_neither_image_nor_labels_are_off_on_average() -> None:
    """What half a pixel, or a quarter of one, would show in."""
    everything = Augmentation(flip="both", quarter_turns=True, rotation=40, scale=(0.8, 1.3), shift=0.1)
    drawn = blob((96, 96), (45.3, 52.1), 11)
    off = []
    for index in range(60):
        change = everything.drawn(np.random.default_rng(index))
        expected = change.points(np.array([centre_of(drawn.astype(float))]), 96)[0]
        image = np.asarray(change.image(Image.fromarray(drawn.astype(np.uint8) * 255)), float)
        off.append(
            [centre_of(image) - expected, centre_of((change.labels(drawn.astype(np.uint8)) == 1) * 1.0) - expected]
        )
    assert abs(np.mean(off, axis=0)).max() < 0.05


@given(st.tuples(st.booleans(), st.booleans()), st.sampled_from([0.0, 90.0, 180.0, 270.0]))
def test_quarter_turns_and_flips_only_exchange_pixels(mirrored, degrees) -> None:
    generator = np.random.default_rng(0)
    values = generator.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    change = Change(mirrored, degrees)
    moved = np.asarray(change.image(Image.fromarray(values)))
    assert sorted(map(tuple, moved.reshape(-1, 3))) == sorted(map(tuple, values.reshape(-1, 3)))
    assert (change.labels(values[..., 0]) == moved[..., 0]).all()
    nearly = Change(mirrored, degrees, scale=1 + 1e-9)  # the same, by interpolation
    interpolated = np.asarray(nearly.image(Image.fromarray(values)), int)
    assert abs(interpolated - moved).max() <= 1  # of 255; it rounds down
    assert (nearly.labels(values[..., 0]) == moved[..., 0]).all()


def test_what_the_image_does_not_reach_does_not_count() -> None:
    change = Change(degrees=45.0)
    labels = change.labels(np.ones((64, 64), np.uint8))
    assert labels[0, 0] == labels[-1, -1] == UNCOUNTED
    assert (labels[24:40, 24:40] == 1).all()
    assert np.asarray(change.image(Image.new("RGB", (64, 64), (200, 0, 9))))[0, 0].tolist() == [0, 0, 0]


def test_tones_change_the_image_alone() -> None:
    image = Image.fromarray(np.array([[100, 120], [140, 160]], np.uint8))
    assert np.asarray(Change(brightness=1.5).image(image)).tolist() == [[150, 180], [210, 240]]
    assert np.asarray(Change(contrast=0.5).image(image)).tolist() == [[115, 125], [135, 145]]
    assert (Change(brightness=1.5).labels(np.eye(2, dtype=np.uint8)) == np.eye(2)).all()


def test_changes_come_from_the_generator_alone() -> None:
    everything = Augmentation(
        flip="both", quarter_turns=True, rotation=15, scale=(0.8, 1.2), shift=0.1, brightness=0.2, contrast=0.2
    )
    drawn = [everything.drawn(np.random.default_rng([1, 2, index])) for index in range(200)]
    assert drawn == [everything.drawn(np.random.default_rng([1, 2, index])) for index in range(200)]
    assert {change.mirrored for change in drawn} == {(a, b) for a in (True, False) for b in (True, False)}
    assert all(0.8 <= change.scale <= 1.2 and -15 <= change.degrees <= 285 for change in drawn)
    assert Augmentation(flip="none").drawn(np.random.default_rng(0)) == UNCHANGED


@pytest.mark.parametrize("wrong", [{"scale": (1.2, 0.8)}, {"scale": (0, 1)}, {"rotation": 181}, {"flips": "both"}])
def test_settings_without_sense_are_refused(wrong) -> None:
    with pytest.raises(ValidationError):
        Augmentation(**wrong)


@given(st.integers(20, 300), st.integers(20, 300), st.sampled_from(["stretch", "pad"]))
def test_what_goes_onto_the_grid_comes_back(height: int, width: int, fit) -> None:
    side = 96
    place = Fitted.of((height, width), side, fit)
    centre, radius = (0.55 * width, 0.45 * height), 0.3 * min(height, width)
    drawn = blob((height, width), centre, radius)
    labels = place.labels(drawn.astype(np.uint8))
    scale = np.array(place.inner[::-1]) / (width, height)
    expected = centre_of(drawn.astype(float)) * scale + place.corner[::-1]
    alone = torch.from_numpy(drawn)[None, None].double()
    covered = interpolate(alone, place.inner, mode="bilinear", antialias=True)[0, 0].numpy()
    (top, left), inner = place.corner, labels != UNCOUNTED
    assert inner.sum() == inner[top : top + place.inner[0], left : left + place.inner[1]].sum() == covered.size
    certain = abs(covered - 0.5) > 0.01  # shares are rounded to 1/255
    assert np.array_equal(labels[inner].reshape(place.inner)[certain], (covered > 0.5)[certain])
    image = np.asarray(place.image(Image.fromarray(drawn.astype(np.uint8) * 255)), float)
    assert centre_of(image) == pytest.approx(expected, abs=0.15)
    assert ((labels == UNCOUNTED).sum() == 0) == (place.inner == (side, side))
    scores = torch.stack([torch.from_numpy(labels == label).float() for label in (0, 1)])
    back = place.back(scores).argmax(0).numpy()
    assert back.shape == (height, width)
    least = min(0.9, 1 - 0.4 / (radius * min(scale)))  # discs of few pixels on the grid lose more at their edge
    assert 2 * (back & drawn).sum() / (back.sum() + drawn.sum()) > least
    assert centre_of(back.astype(float)) == pytest.approx(
        centre_of(drawn.astype(float)), abs=0.4 * max(1, 1 / min(scale))
    )


def test_a_pixel_has_the_label_that_covers_most_of_it() -> None:
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 4:] = 2
    labels[:4, :4] = 1
    small = Fitted.of((8, 8), 2, "stretch").labels(labels)
    assert small.tolist() == [[1, 2], [0, 2]]
    counted = np.ones((8, 8), bool)
    counted[:4] = False
    assert Fitted.of((8, 8), 2, "stretch").labels(labels, counted).tolist() == [[UNCOUNTED] * 2, [0, 2]]


def test_an_image_of_the_size_of_the_grid_is_not_touched() -> None:
    labels = np.random.default_rng(0).integers(0, 5, (32, 32), dtype=np.uint8)
    place = Fitted.of((32, 32), 32, "pad")
    assert (place.labels(labels) == labels).all()
    assert (place.back(torch.from_numpy(labels)[None]).numpy()[0] == labels).all()
