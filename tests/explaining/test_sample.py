"""Which images are looked at, in which batches and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from gmssl.errors import DataError
from gmssl.explaining import sample
from gmssl.explaining.sample import NAMELESS, choose
from gmssl.interfaces.data import Record
from gmssl.recipe.recipe import Recipe, load_recipe


@dataclass
class Listed:
    """Images of which some cannot be read."""

    records: list[Record]
    broken: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.records)

    def load(self, index: int, channels: int) -> Image.Image:
        if index in self.broken:
            raise DataError("damaged")
        return Image.new("L", (4, 4), index)


def _named(count: int, **facts: Any) -> Listed:
    return Listed([Record(str(i), **{k: v[i % len(v)] for k, v in facts.items()}) for i in range(count)])


@pytest.fixture
def recipe(settings_of_a_recipe: dict) -> Recipe:
    """Graphs of 4, batches of 8."""
    return load_recipe(settings_of_a_recipe)


@pytest.mark.parametrize(
    ("images", "wanted", "batch", "looked_at"), [(50, 20, 8, 16), (50, 500, 8, 48), (7, 20, 4, 4), (50, 1, 4, 4)]
)
def test_whole_batches(recipe: Recipe, images: int, wanted: int, batch: int, looked_at: int) -> None:
    sample = choose(_named(images), recipe, wanted, 0)
    assert (sample.batch, len(sample.images)) == (batch, looked_at)
    assert len({record.name for record in sample.images.records}) == looked_at
    assert list(sample.batches) == list(range(0, looked_at, batch))


def test_the_seed_draws(recipe: Recipe) -> None:
    draws = [[r.name for r in choose(_named(60), recipe, 16, seed).images.records] for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_unreadable_images_are_passed_over(recipe: Recipe) -> None:
    images = Listed(_named(20).records, frozenset(range(0, 20, 2)))
    sample = choose(images, recipe, 20, 0)
    assert len(sample.images) == 8
    assert sample.unreadable == 10
    assert all(int(record.name) % 2 for record in sample.images.records)


@pytest.mark.parametrize("images", [_named(3), Listed(_named(9).records, frozenset(range(6)))])
def test_too_few(recipe: Recipe, images: Listed) -> None:
    with pytest.raises(DataError, match=r"there are 3 .*images, but one graph of this run needs 4.*--data PATH"):
        choose(images, recipe, 100, 0)


@pytest.mark.parametrize(
    ("facts", "asked", "by"),
    [
        ({"modality": ["ct", "mri"], "label": ["a", "b"]}, None, "modality"),
        ({"modality": ["ct"], "label": ["a", "b"]}, None, "label"),
        ({"modality": ["ct"], "label": ["a", "b"]}, "modality", "modality"),
        ({"dataset": ["one"]}, None, "dataset"),
        ({"label": ["a", None]}, None, "label"),
        ({}, None, None),
    ],
)
def test_grouping(recipe: Recipe, facts: dict, asked: Any, by: str | None) -> None:
    sample = choose(_named(40, **facts), recipe, 40, 0, asked)
    assert sample.grouped_by == by
    expected = {value or NAMELESS for value in facts[by]} if by else {"all images"}
    assert set(sample.groups) == expected
    if by:
        assert list(sample.groups) == [getattr(r, by) or NAMELESS for r in sample.images.records]


def test_a_fact_that_no_image_has(recipe: Recipe) -> None:
    with pytest.raises(DataError, match="no image names its dataset; the data name label"):
        choose(_named(9, label=["a"]), recipe, 8, 0, "dataset")


def test_images_are_read_once(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    images, channels, read = _named(8), recipe.encoder.in_channels, []

    def load(self: Listed, index: int, channels: int) -> Image.Image:
        read.append(index)
        return Image.new("L", (4, 4), index)

    monkeypatch.setattr(Listed, "load", load)
    monkeypatch.setattr(sample, "HELD", 5 * 16 * channels)  # bytes of five of the eight
    found = choose(images, recipe, 8, 0).images
    names = [int(record.name) for record in found.records]
    for _ in range(3):
        assert [found.load(i, channels).getpixel((0, 0)) for i in range(8)] == names
    assert len(read) == 8 + 3 * 3, "five stay in memory, three are read again in each pass"
