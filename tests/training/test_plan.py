"""What can be known before a run is known before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gmssl.errors import DataError, GmsslError, TrainingError
from gmssl.recipe.recipe import Recipe
from gmssl.training.plan import make_plan
from gmssl.training.run import train


@given(st.integers(16, 400), st.integers(1, 5), st.none() | st.integers(1, 200))
def test_steps_are_counted_as_a_loop_would(
    tiny: Callable[..., Recipe], number: int, epochs: int, max_steps: int | None
) -> None:
    plan = make_plan(tiny(f"data.number={number}", f"train.epochs={epochs}", f"train.max_steps={max_steps or 'null'}"))
    steps, entered = 0, 0
    for _ in range(epochs):
        left = number
        entered += 1
        while left >= 16 and steps != max_steps:
            left -= 16
            steps += 1
        if steps == max_steps:
            break
    assert (plan.steps, plan.epochs, plan.steps_per_epoch) == (steps, entered, number // 16)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.number=15"], ["15 images", "train.batch = 16", "at most 15"]),
        (["data.number=1"], ["1 image", "train.batch = 16", "add images"]),
        (["data.number=31", "train.batch=64", "train.accumulate=2"], ["31 images", "64", "at most 30"]),
        (["data={kind: folder, root: /nowhere}"], ["/nowhere"]),
    ],
)
def test_too_few_images_leave_no_folder(
    tiny: Callable[..., Recipe], tmp_path: Path, console, overrides: list[str], words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        train(tiny(*overrides), "tiny", tmp_path / "run", None, console)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("images", [0, 1])
def test_a_folder_of_none_or_one_image(tiny: Callable[..., Recipe], tmp_path: Path, console, images: int) -> None:
    (tmp_path / "data").mkdir()
    for i in range(images):
        Image.new("L", (40, 40)).save(tmp_path / "data" / f"{i}.png")
    recipe = tiny(f"data={{kind: folder, root: {tmp_path / 'data'}}}")
    with pytest.raises(DataError):
        train(recipe, "tiny", tmp_path / "run", None, console)
    assert not (tmp_path / "run").exists()


def test_an_encoder_that_timm_does_not_know_leaves_no_folder(
    tiny: Callable[..., Recipe], tmp_path: Path, console
) -> None:
    recipe = tiny("encoder={kind: timm, name: resnet19, in_channels: 1}")
    with pytest.raises(GmsslError, match="resnet19"):
        train(recipe, "tiny", tmp_path / "run", None, console)
    assert not (tmp_path / "run").exists()


def test_a_probe_needs_two_classes(tiny: Callable[..., Recipe], tmp_path: Path) -> None:
    for i in range(3):
        Image.new("L", (40, 40), i).save(tmp_path / f"{i}.png")
    with pytest.raises(DataError, match=r"probe\.data: 3 images with 0 class"):
        make_plan(tiny(f"probe={{data: {{kind: folder, root: {tmp_path}}}}}"))


def test_a_gpu_that_is_not_there(tiny: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=r"sees no GPU; set train\.accelerator to cpu"):
        make_plan(tiny("train.accelerator=gpu"))
    assert make_plan(tiny("train.accelerator=auto")).accelerator == "cpu"


def test_a_folder_in_use_is_not_overwritten(tiny: Callable[..., Recipe], tmp_path: Path, console) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match="not empty"):
        train(tiny(), "tiny", tmp_path, None, console)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "recipe.yaml").write_text("seed: 0")
    with pytest.raises(TrainingError, match=r"--resume .*other"):
        train(tiny(), "tiny", other, None, console)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["encoder={kind: timm, name: vit_tiny_patch16_224, in_channels: 1}"], "does not take images of 32×32 pixels"),
        (["solver={kind: exhaustive, limit: 10}"], "8×8 vertices"),
        (["probe={data: {kind: phantoms, number: 5, size: 48}, folds: 9}"], "^probe: 5 images .* into 9 folds"),
    ],
)
def test_faults_before_the_first_result_leave_no_folder(
    tiny: Callable[..., Recipe], tmp_path: Path, console, overrides: list[str], message: str
) -> None:
    with pytest.raises(GmsslError, match=message):
        train(tiny(*overrides), "tiny", tmp_path / "run", None, console)
    assert not (tmp_path / "run").exists()


def test_a_missing_folder_of_the_probe_is_told_as_such(tiny: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^probe: data\.root: there is no folder"):
        make_plan(tiny(f"probe={{data: {{kind: folder, root: {tmp_path / 'none'}}}}}"))
