"""DeepCluster-v2 is trained: a look at all images, clusters before each epoch, and a resumed run that goes on alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.errors import DataError
from gmssl.recipe.recipe import Recipe
from gmssl.training.datamodule import FIRST_LOOK, first_look_keys
from gmssl.training.dry import dry_run
from gmssl.training.run import train
from gmssl.training.saved import read_checkpoint

CLUSTERED = (
    "vertices={kind: centroids, numbers: [6, 4]}", "target=kmeans", "graph=edgeless", "affinity={vertex: [cosine]}",
    "solver=row_softmax", "estimator=exact", "loss=likelihood", "views.matched=to_large",
)  # fmt: skip


def test_two_epochs_and_a_resumed_second_one(tiny: Callable[..., Recipe], tmp_path: Path, console) -> None:
    recipe = tiny(*CLUSTERED, "train.epochs=2", "train.keep_every=1", "encoder.drop_path=0.2")
    whole, half = tmp_path / "whole", tmp_path / "half"
    train(recipe, "tiny", whole, None, console)
    assert console.file.getvalue().count("One look at all 72 images") == 1
    states = [read_checkpoint(whole / "checkpoints" / f"epoch=000{epoch}.ckpt")["state_dict"] for epoch in range(2)]
    for epoch, state in enumerate(states):
        extra = state["objective.vertices._extra_state"]
        assert extra["epoch"] == epoch
        assert extra["known"].all()
        assert extra["rows"].shape == (2, 72, 16)
    assert not states[0]["objective.vertices.centroids"].equal(states[1]["objective.vertices.centroids"])
    shutil.copytree(whole, half)
    shutil.copy(whole / "checkpoints" / "epoch=0000.ckpt", half / "last.ckpt")
    (half / "encoder.safetensors").unlink()
    train(recipe, "tiny", None, half, console)
    assert console.file.getvalue().count("One look at all 72 images") == 1
    for name in ("metrics.csv", "encoder.safetensors"):
        assert (half / name).read_bytes() == (whole / name).read_bytes(), name


def test_more_clusters_than_images(tiny: Callable[..., Recipe], tmp_path: Path, console) -> None:
    recipe = tiny(*CLUSTERED, "vertices.numbers=[6, 73]")
    message = "there are 72 images, and vertices centroids makes 73 clusters.*lower vertices.numbers to at most 72"
    with pytest.raises(DataError, match=message):
        train(recipe, "tiny", tmp_path / "run", None, console)
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match=message):
        dry_run(recipe)


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_first_look_sees_all_images_in_whole_batches(images: int, batch: int, ranks: int, seed: int) -> None:
    parts = [first_look_keys(images, batch, ranks, rank, seed) for rank in range(ranks)]
    assert len({len(part) for part in parts}) == 1
    assert len(parts[0]) % batch == 0
    assert sum(map(len, parts)) < images + batch * ranks
    assert {divmod(key, images) for part in parts for key in part} == {(FIRST_LOOK, image) for image in range(images)}


@given(st.integers(1, 60), st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_a_step_of_the_first_look_does_not_depend_on_ranks(images: int, batch: int, ranks: int, seed: int) -> None:
    one = first_look_keys(images, batch * ranks, 1, 0, seed)
    parts = [first_look_keys(images, batch, ranks, rank, seed) for rank in range(ranks)]
    steps = len(parts[0]) // batch
    together = [key for k in range(steps) for part in parts for key in part[k * batch : (k + 1) * batch]]
    assert together == one
