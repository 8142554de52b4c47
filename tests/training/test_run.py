"""Whole runs of seconds: what is in the folder, how runs stop, and what survives."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from gmssl.errors import DataError, ProblemError, TrainingError
from gmssl.objective.matcher import Matcher
from gmssl.objective.objective import MatchingObjective
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.recipe.statistics import resolved
from gmssl.system.table import Table
from gmssl.training.model import make_objective
from gmssl.training.run import _tell_weights, save_encoder, train
from gmssl.training.saved import read_checkpoint


def test_the_folder_of_a_run(whole: Path) -> None:
    for name in ("recipe.yaml", "last.ckpt", "encoder.safetensors", "curves.png", "matched.png", "timing.csv"):
        assert (whole / name).stat().st_size > 0, name
    assert list((whole / "tensorboard").glob("events*"))
    assert [path.name for path in (whole / "checkpoints").iterdir()] == ["epoch=0001.ckpt"]
    assert not [path.name for path in whole.iterdir() if path.name.startswith(".")]
    assert load_recipe(whole / "recipe.yaml").train.epochs == 3
    environment = json.loads((whole / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert environment["seed"] == 3
    for name in ("curves.png", "matched.png"):
        with Image.open(whole / name) as picture:
            picture.verify()


def test_rows_of_a_run(whole: Path) -> None:
    metrics = Table(whole / "metrics.csv")
    assert metrics.numbers("step") == list(range(1, 13))
    assert metrics.numbers("epoch") == [0] * 4 + [1] * 4 + [2] * 4
    # halved four times in twelve steps: the oracle is the definition, ⌊5 s / 12⌋ halvings before 0-based step s
    assert metrics.numbers("learning_rate") == [1e-3 * 0.5 ** (5 * s // 12) for s in range(12)]
    assert all(norm > 0 for norm in metrics.numbers("gradient_norm"))
    probe = Table(whole / "probe.csv")
    assert probe.numbers("epoch") == [0, 2, 3]
    assert all(0 <= accuracy <= 1 for accuracy in probe.numbers("knn_accuracy"))
    for row in Table(whole / "timing.csv").rows():
        shares = [float(v) for k, v in row.items() if k not in ("step", "images_per_second", "seconds")]
        assert sum(shares) == pytest.approx(1)


def test_the_console_shows_the_probe_beside_the_untrained_encoder(whole: Path) -> None:
    text = (whole / "console.txt").read_text()
    untrained, trained = (f"{Table(whole / 'probe.csv').numbers('knn_accuracy')[i]:.1%}" for i in (0, -1))
    assert f"epoch 0: kNN accuracy {untrained} (untrained encoder)" in text
    assert f"epoch 3: kNN accuracy {trained} (untrained {untrained})" in text
    assert "epoch 3/3  step 12/12  loss" in text
    assert "images/s" in text
    assert "encoder.safetensors" in text


def test_the_encoder_file_loads_strictly_and_is_the_trained_one(whole: Path) -> None:
    from safetensors.torch import load_file

    weights = load_file(whole / "encoder.safetensors")
    network = load_recipe(whole / "recipe.yaml").encoder.build().network
    network.load_state_dict(weights, strict=True)
    trained = read_checkpoint(whole / "last.ckpt")["state_dict"]
    for key, value in weights.items():
        (found,) = [v for k, v in trained.items() if k.endswith(f"network.{key}")]
        torch.testing.assert_close(value, found, rtol=0, atol=0)


def test_a_finished_run_says_so(whole: Path, tiny: Callable[..., Recipe], console) -> None:
    before = (whole / "last.ckpt").stat().st_mtime_ns
    assert train(load_recipe(whole / "recipe.yaml"), "tiny", None, whole, console) == whole
    assert "is finished: all 12 steps are done" in console.file.getvalue()
    assert "ignored" not in console.file.getvalue()
    assert (whole / "last.ckpt").stat().st_mtime_ns == before


def test_a_run_killed_before_its_encoder_was_written_writes_it(whole: Path, tmp_path: Path, console) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "encoder.safetensors").unlink()
    (run / ".last.ckpt.123").write_bytes(b"half of a checkpoint")
    train(load_recipe(run / "recipe.yaml"), "tiny", None, run, console)
    for name in ("encoder.safetensors", "metrics.csv", "probe.csv"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (run / ".last.ckpt.123").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_not_one_image_is_readable(tiny: Callable[..., Recipe], tmp_path: Path, console, workers: int) -> None:
    (tmp_path / "data").mkdir()
    for i in range(16):
        (tmp_path / "data" / f"{i:02d}.png").write_bytes(b"no picture")
    recipe = tiny(f"data={{kind: folder, root: {tmp_path / 'data'}}}", f"train.workers={workers}")
    with pytest.raises(DataError, match=r"^none of the 16 images can be read") as caught:
        train(recipe, "tiny", tmp_path / "run", None, console)
    assert "Traceback" not in str(caught.value)


def test_a_terminal_shows_a_bar(tiny: Callable[..., Recipe], tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=300, force_terminal=True)
    train(tiny("train.epochs=1"), "tiny", tmp_path / "run", None, console)
    text = console.file.getvalue()
    assert "epoch 1/1" in text
    assert "4/4" in text
    assert "images/s" in text


def test_resuming_names_the_settings_it_ignores(whole: Path, tiny: Callable[..., Recipe], console) -> None:
    train(tiny("train.epochs=9"), "tiny", None, whole, console)
    assert "train.epochs (9, the run has 3)" in console.file.getvalue()


def test_resuming_what_is_no_run(tiny: Callable[..., Recipe], tmp_path: Path, console) -> None:
    with pytest.raises(TrainingError, match=r"has no recipe\.yaml"):
        train(tiny(), "tiny", None, tmp_path, console)
    with pytest.raises(TrainingError, match="does not exist"):
        train(tiny(), "tiny", None, tmp_path / "nowhere", console)


def test_accumulation_counts_whole_steps(tiny: Callable[..., Recipe], tmp_path: Path, console) -> None:
    recipe = tiny("train.batch=24", "train.accumulate=2", "train.epochs=2", "train.max_steps=4", "train.log_every=2")
    train(recipe, "tiny", tmp_path / "run", None, console)
    metrics = Table(tmp_path / "run" / "metrics.csv")
    # 72 images: three steps of 24 in the first epoch, then one; logged are every second one and the last of an epoch
    assert metrics.numbers("step") == [2, 3, 4]
    assert metrics.numbers("epoch") == [0, 0, 1]
    checkpoint = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert checkpoint["global_step"] == 4
    (batches,) = {v for k, v in checkpoint["state_dict"].items() if k.endswith("network.bn1.num_batches_tracked")}
    assert batches == 8  # both passes of each step


def test_a_loss_that_is_not_finite_stops_the_run(
    tiny: Callable[..., Recipe], tmp_path: Path, console, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = MatchingObjective.forward, iter(range(99))

    def spoilt(self, batch, generator, clock):
        step = forward(self, batch, generator, clock)
        return dataclasses.replace(step, loss=step.loss * float("nan")) if next(calls) == 2 else step

    monkeypatch.setattr(MatchingObjective, "forward", spoilt)
    with pytest.raises(
        TrainingError, match=r"not finite \(nan\) in step 3, epoch 0; the last good checkpoint is .*last"
    ):
        train(tiny(), "tiny", tmp_path / "run", None, console)
    good = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert good["global_step"] == 2
    assert all(torch.isfinite(w).all() for w in good["state_dict"].values())
    assert not (tmp_path / "run" / "encoder.safetensors").exists()

    monkeypatch.setattr(MatchingObjective, "forward", forward)
    train(tiny("train.epochs=1"), "tiny", None, tmp_path / "run", console)
    assert Table(tmp_path / "run" / "metrics.csv").numbers("step") == list(range(1, 13))


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(
    tiny: Callable[..., Recipe], tmp_path: Path, console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is finite in that step; updated with its gradient, the checkpoint after it would hold NaN."""
    forward, calls = MatchingObjective.forward, iter(range(99))

    def spoilt(self, batch, generator, clock):
        step = forward(self, batch, generator, clock)
        if next(calls) != 3:
            return step
        weight = next(self.encoder.parameters())
        return dataclasses.replace(step, loss=step.loss + (weight.flatten()[0] * 0).sqrt())

    monkeypatch.setattr(MatchingObjective, "forward", spoilt)
    with pytest.raises(TrainingError, match=r"gradient is not finite \(nan\) in step 4, epoch 0; the last good .*last"):
        train(tiny(), "tiny", tmp_path / "run", None, console)
    good = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert good["global_step"] == 2
    assert all(torch.isfinite(w).all() for w in good["state_dict"].values())


def test_a_problem_that_is_not_finite_names_instance_and_step(
    tiny: Callable[..., Recipe], tmp_path: Path, console, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = Matcher.costs

    def spoilt(self, left, right):
        found = costs(self, left, right)
        found.vertex[1, 0, 0] = float("nan")
        return found

    monkeypatch.setattr(Matcher, "costs", spoilt)
    with pytest.raises(ProblemError, match=r"instance 1.*step 1, epoch 0; no checkpoint was written yet"):
        train(tiny(), "tiny", tmp_path / "run", None, console)


@pytest.mark.parametrize(("allowed", "ends"), [(0.05, True), (0.02, False)])
def test_unreadable_images(tiny: Callable[..., Recipe], tmp_path: Path, console, allowed: float, ends: bool) -> None:
    (tmp_path / "data").mkdir()
    for i in range(32):
        Image.effect_noise((40, 40), 20 + i).save(tmp_path / "data" / f"{i:02d}.png")
    (tmp_path / "data" / "07.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")  # one of 32 is 3.1 %
    source = f"data={{kind: folder, root: {tmp_path / 'data'}, max_unreadable: {allowed}}}"
    run = tmp_path / "run"
    if ends:
        train(tiny(source, "train.epochs=1"), "tiny", run, None, console)
    else:
        with pytest.raises(DataError, match=r"1 of 32 images are unreadable.*0\.02.*unreadable\.csv"):
            train(tiny(source, "train.epochs=1"), "tiny", run, None, console)
    rows = (run / "unreadable.csv").read_text().splitlines()
    assert rows[0] == "name,reason"
    assert len(rows) == 2
    assert rows[1].startswith("07.png,")
    assert len(rows[1]) > len("07.png,")


def test_weights_of_another_run_bring_its_normalisation(
    tiny: Callable[..., Recipe], tmp_path: Path, console: Console
) -> None:
    first = tiny("views.mean=[0.25]")
    (tmp_path / "recipe.yaml").write_text(first.dump())
    save_encoder(make_objective(first), tmp_path / "encoder.safetensors")
    for override, said in (
        ("seed=4", f"images are normalised as for the run {tmp_path}"),
        ("views.mean=[0.5]", f"warning: views.mean: 0.5 is not what the pretrained weights expect: the run {tmp_path}"),
    ):
        recipe = resolved(tiny(f"encoder.weights={tmp_path / 'encoder.safetensors'}", override))
        _tell_weights(recipe, make_objective(recipe), console)
        assert said in console.file.getvalue()
        assert ("normalised" in said) is ("warning" not in console.file.getvalue())
    assert console.file.getvalue().count("normalised as for") == 1
