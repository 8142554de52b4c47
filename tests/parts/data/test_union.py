import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError, RecipeError
from gmssl.interfaces.registry import part
from gmssl.parts.data.phantoms import Phantoms
from gmssl.parts.data.union import Union
from gmssl.recipe.recipe import load_recipe


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_a_union_is_its_sources_one_after_the_other(sizes):
    sources = [Phantoms(number=n, size=8, seed=seed) for seed, n in enumerate(sizes)]
    images = pickle.loads(pickle.dumps(Union(of=sources).images()))
    expected = [(source.images(), i) for source, n in zip(sources, sizes, strict=True) for i in range(n)]
    assert len(images) == len(images.records) == len(expected)
    for index, (source, i) in enumerate(expected):
        np.testing.assert_array_equal(np.asarray(images.load(index, 1)), np.asarray(source.load(i, 1)))
        assert images.records[index].label == source.records[i].label
        assert images.records[index].name == f"phantoms/{source.records[i].name}"


def test_sources_are_data_sets_and_their_own_names_win(tmp_path):
    from PIL import Image

    for folder in ("ct", "mr"):
        (tmp_path / folder).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / folder / "1.png")
    (tmp_path / "mr" / "index.csv").write_text("path,dataset\n1.png,brain\n1.png,\n")
    images = Union(
        of=[part("data", "folder", root=tmp_path / "ct"), part("data", "manifest", path=tmp_path / "mr" / "index.csv")]
    ).images()
    assert [(r.name, r.dataset) for r in images.records] == [
        ("ct/1.png", "ct"),
        ("mr/1.png", "brain"),
        ("mr/1.png", "mr"),
    ]


def test_a_source_without_images_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    sources = [Phantoms(number=2), part("data", "folder", root=tmp_path / "empty")]
    with pytest.raises(DataError, match=r"data\.of\.1: data\.root: no image in"):
        Union(of=sources).images()


@pytest.mark.parametrize(("value", "fault"), [("[]", "data.of"), ("[{kind: foldr}]", "folder")])
def test_wrong_sources_are_refused_by_the_recipe(value, fault):
    from pathlib import Path

    recipe = Path(__file__).parents[3] / "recipes" / "quickstart.yaml"
    with pytest.raises(RecipeError, match=fault):
        load_recipe(recipe, [f"data={{kind: union, of: {value}}}"])
