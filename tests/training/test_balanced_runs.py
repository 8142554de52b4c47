"""Runs with a balance: killed within an epoch and resumed, they equal uninterrupted ones; parts with memories go on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gmssl.errors import DataError
from gmssl.recipe.recipe import Recipe
from gmssl.training.dry import dry_run
from gmssl.training.plan import make_plan
from gmssl.training.run import train
from gmssl.training.saved import read_checkpoint
from tests.training.test_resume import Runner

NAMED = "{kind: weights, rule: given, given: {ct: 6, mri: 1, ultrasound: 1, xray: 1, microscopy: 0}}"
BALANCES = {"none": 8, "{kind: duplicates, by: modality}": 9, NAMED: 8}
"""With the optimiser steps of 16 in an epoch of 130 phantoms: 30 of one modality, 25 of each of the four others."""


def _recipe(tiny: Callable[..., Recipe], balance: str, workers: int) -> Recipe:
    return tiny(
        f"balance={balance}", "data.number=130", "train.devices=2", f"train.workers={workers}", "train.epochs=3"
    )


@pytest.fixture(scope="module")
def whole(tiny: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an uninterrupted run of two processes with one worker each; one for each balance."""
    runs: dict[str, Path] = {}

    def run(balance: str) -> Path:
        if balance not in runs:
            runner = Runner(tmp_path_factory.mktemp("whole"), _recipe(tiny, balance, 1))
            assert runner.code(runner.start(resume=False)) == 0, runner.log.read_text()
            runs[balance] = runner.run
        return runs[balance]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("balance", BALANCES)
def test_killed_within_an_epoch_and_resumed(
    tiny: Callable[..., Recipe], tmp_path: Path, whole: Callable[[str], Path], balance: str, workers: int
) -> None:
    recipe = _recipe(tiny, balance, workers)
    steps = BALANCES[balance]
    assert make_plan(recipe).steps == 3 * steps
    runner = Runner(tmp_path, recipe)
    assert runner.interrupt(steps + 3, signal.SIGKILL) == -signal.SIGKILL, runner.log.read_text()
    done = read_checkpoint(runner.run / "last.ckpt")["global_step"]
    assert steps < done < 2 * steps
    runner.finish()
    for name in ("metrics.csv", "encoder.safetensors"):
        assert (runner.run / name).read_bytes() == (whole(balance) / name).read_bytes(), name
    assert (runner.run / "metrics.csv").read_bytes().count(b"\n") == 1 + 3 * steps


def test_a_memory_of_the_data_set_has_one_row_for_each_image(
    tiny: Callable[..., Recipe], tmp_path: Path, console
) -> None:
    """Images that come several times in an epoch, and images that never come."""
    recipe = tiny(
        "vertices={kind: centroids, numbers: [6, 4]}", "target=kmeans", "graph=edgeless", "affinity={vertex: [cosine]}",
        "solver=row_softmax", "estimator=exact", "loss=likelihood", "views.matched=to_large", "train.epochs=2",
        f"balance={NAMED}", "data.number=40",
    )  # fmt: skip
    train(recipe, "tiny", tmp_path / "run", None, console)
    extra = read_checkpoint(tmp_path / "run" / "last.ckpt")["state_dict"]["objective.vertices._extra_state"]
    assert extra["rows"].shape == (2, 40, 16)
    assert extra["known"].all()


def test_the_length_of_an_epoch_is_that_of_the_balance(tiny: Callable[..., Recipe]) -> None:
    plan = make_plan(tiny("data.number=30", "balance=duplicates"))
    assert (plan.steps_per_epoch, plan.steps) == (3, 9)  # 10 of each of five modalities
    assert make_plan(tiny("data.number=30", "balance={kind: weights, images: 100}")).steps_per_epoch == 6
    message = "there are 30 images, of which the balance takes 9 an epoch, but one optimiser step takes.*at most 9"
    with pytest.raises(DataError, match=message):
        make_plan(tiny("data.number=30", "balance={kind: weights, images: 9}"))


@pytest.mark.parametrize("prepare", [make_plan, dry_run])
def test_a_balance_that_does_not_fit_the_images_is_told_before_the_run(
    tiny: Callable[..., Recipe], prepare: Callable[[Recipe], object]
) -> None:
    with pytest.raises(DataError, match=r"balance\.given: it says nothing of the modality microscopy, mri"):
        prepare(tiny("balance={kind: weights, rule: given, given: {ct: 1}}"))
