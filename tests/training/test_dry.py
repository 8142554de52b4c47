"""The dry run does one real step on as few images as are legal, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gmssl.errors import DataError
from gmssl.recipe.recipe import Recipe
from gmssl.training.dry import dry_run


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_one_sentence_and_no_file(
    tiny: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = dry_run(tiny("train.batch=64", f"train.precision={precision}"))
    assert said.startswith("Dry run: one step on 16 of 72 images (2 graph pair(s) of 8×8 nodes")
    assert list(tmp_path.iterdir()) == []


def test_one_graph_is_enough(tiny: Callable[..., Recipe]) -> None:
    assert "on 9 of 9 images (1 graph pair(s)" in dry_run(tiny("data.number=9"))


def test_too_few_images_for_a_graph(tiny: Callable[..., Recipe]) -> None:
    with pytest.raises(DataError, match="7 images, too few for one step"):
        dry_run(tiny("data.number=7"))


def test_a_missing_folder(tiny: Callable[..., Recipe]) -> None:
    with pytest.raises(DataError, match="/nowhere"):
        dry_run(tiny("data={kind: folder, root: /nowhere}"))
    with pytest.raises(DataError, match=r"^probe: .*/nowhere"):
        dry_run(tiny("probe={data: {kind: folder, root: /nowhere}}"))
