"""Loggers of whole runs: the same numbers everywhere, one identity for a run that is resumed, and no harm done."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from lightning.pytorch.loggers import CSVLogger
from rich.console import Console

from gmssl.errors import ProblemError, TrainingError
from gmssl.interfaces.logger import LoggedRun, Logger, Started
from gmssl.objective.objective import MatchingObjective
from gmssl.parts import loggers
from gmssl.recipe.recipe import Recipe
from gmssl.system.table import Table
from gmssl.training.run import train

Tiny = Callable[..., Recipe]


class Diary(Logger):
    """A logger of this file that keeps what it is asked, and may fail."""

    kind: ClassVar[str] = "diary"
    kept: ClassVar[list[str]] = []

    fails_at: int | None = None

    def start(self, run: LoggedRun) -> Started:
        if self.fails_at == 0:
            raise ConnectionError("nobody\nanswers.")
        self.kept.append(f"start at {run.step} as {run.identity.get('id')}")
        return Started(_Pages(self, run.folder), {"id": run.identity.get("id", "first")}, "in the drawer")

    def finish(self, started: Started, succeeded: bool) -> None:
        self.kept.append(f"finish {succeeded}")


class _Pages(CSVLogger):
    def __init__(self, diary: Diary, folder: Path) -> None:
        super().__init__(folder, name="diary")
        self._diary = diary

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if self._diary.fails_at is not None and step is not None and step >= self._diary.fails_at:
            raise TimeoutError("the server sleeps")
        self._diary.kept.append(f"row {step}")


@pytest.fixture
def kept() -> Iterator[list[str]]:
    Diary.kept.clear()
    yield Diary.kept
    Diary.kept.clear()


@contextlib.contextmanager
def _broken_after(passes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The objective refuses the forward pass after so many."""
    forward, done = MatchingObjective.forward, []

    def broken(self: MatchingObjective, *arguments: object) -> object:
        done.append(1)
        if len(done) > passes:
            raise ProblemError("broken here.")
        return forward(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(MatchingObjective, "forward", broken)
        yield


def _with(recipe: Recipe, *parts: Logger) -> Recipe:
    return recipe.model_copy(update={"loggers": parts})


def test_a_logger_gets_each_row_and_its_end(tiny: Tiny, tmp_path: Path, console: Console, kept: list[str]) -> None:
    train(_with(tiny("train.max_steps=3"), Diary()), "tiny", tmp_path / "run", None, console)
    assert kept == ["start at None as None", "row 1", "row 2", "row 3", "finish True"]
    assert "diary: in the drawer" in console.file.getvalue()
    assert json.loads((tmp_path / "run" / "loggers.json").read_text()) == {"diary": {"id": "first"}}


def test_a_run_without_loggers(tiny: Tiny, tmp_path: Path, console: Console) -> None:
    train(tiny("train.max_steps=2", "loggers=[]"), "tiny", tmp_path / "run", None, console)
    assert Table(tmp_path / "run" / "metrics.csv").numbers("step") == [1, 2]
    assert not (tmp_path / "run" / "tensorboard").exists()
    assert not (tmp_path / "run" / "loggers.json").exists()


def test_a_logger_that_fails_is_left_out_and_the_run_ends_well(
    tiny: Tiny, tmp_path: Path, console: Console, kept: list[str]
) -> None:
    run = train(_with(tiny("train.max_steps=4"), Diary(fails_at=3)), "tiny", tmp_path / "run", None, console)
    assert kept == ["start at None as None", "row 1", "row 2"]
    assert Table(run / "metrics.csv").numbers("step") == [1, 2, 3, 4]
    assert (run / "encoder.safetensors").is_file()
    said = "warning: diary fails and gets no more numbers; the tables in the run folder have all (the server sleeps)."
    assert console.file.getvalue().count(said) == 1


def test_a_logger_that_does_not_start_leaves_nothing(tiny: Tiny, tmp_path: Path, console: Console) -> None:
    with pytest.raises(TrainingError, match=r"loggers.0: diary does not start: nobody answers. Correct its settings"):
        train(_with(tiny(), Diary(fails_at=0)), "tiny", tmp_path / "run", None, console)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["wandb", "mlflow"])
def test_a_missing_library_is_told_before_anything_is_written(
    tiny: Tiny, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=rf"loggers.1: {kind} needs the package {kind}.*pip install 'gmssl\[{kind}"):
        train(tiny(f"loggers=[tensorboard, {kind}]"), "tiny", tmp_path / "run", None, console)
    assert not (tmp_path / "run").exists()


def _interrupted_and_resumed(recipe: Recipe, place: Path, console: Console, patch: pytest.MonkeyPatch) -> Path:
    """A run of five steps that breaks in the fourth, after a checkpoint at the second."""
    run = place / "run"
    with _broken_after(3, patch), pytest.raises(ProblemError, match="broken here"):
        train(recipe, "tiny", run, None, console)
    return train(recipe, "tiny", run, run, console)


def test_a_resumed_run_keeps_its_identity(
    tiny: Tiny, tmp_path: Path, console: Console, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gmssl.training import run as running

    recipe = _with(tiny("train.max_steps=5"), Diary())
    monkeypatch.setattr(running, "open_folder", lambda folder, given, console: given)  # no package offers a diary
    _interrupted_and_resumed(recipe, tmp_path, console, monkeypatch)
    broken, resumed = kept[: kept.index("finish False") + 1], kept[kept.index("finish False") + 1 :]
    assert broken == ["start at None as None", "row 1", "row 2", "row 3", "finish False"]
    assert resumed == ["start at 2 as first", "row 3", "row 4", "row 5", "finish True"]


@pytest.mark.filterwarnings("default")  # of libraries that we do not choose the version of
def test_wandb_offline_and_resumed(
    tiny: Tiny, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    recipe = tiny("train.max_steps=5", "loggers=[{kind: wandb, mode: offline, project: brains}]")
    run = _interrupted_and_resumed(recipe, tmp_path, console, monkeypatch)
    identity = json.loads((run / "loggers.json").read_text())["wandb"]["id"]
    folders = sorted((run / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    assert {folder.name.rpartition("-")[2] for folder in folders} == {identity}
    for folder in folders:
        (written,) = folder.glob("*.wandb")
        assert b"match_accuracy_noiseless" in written.read_bytes()
        assert f"wandb sync {folder}" in console.file.getvalue().replace("\n", "")
    assert wandb.run is None, "the next run of this process would be logged to this one"
    _as_without(recipe, run, tmp_path, console)


@pytest.mark.filterwarnings("default")
def test_mlflow_in_a_file_and_resumed(
    tiny: Tiny, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # and not deleted: MLflow sets it, and monkeypatch takes it back
    monkeypatch.chdir(tmp_path)
    recipe = tiny("train.max_steps=5", "loggers=[{kind: mlflow, experiment: brains, tags: {who: me}}]")
    run = _interrupted_and_resumed(recipe, tmp_path, console, monkeypatch)

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name("brains").experiment_id])
    assert len(found) == 1
    assert found[0].info.run_id == json.loads((run / "loggers.json").read_text())["mlflow"]["run_id"]
    assert found[0].info.status == "FINISHED"
    assert found[0].data.params["seed"] == "3"
    assert found[0].data.tags["who"] == "me"
    losses = {m.step: m.value for m in client.get_metric_history(found[0].info.run_id, "loss")}
    metrics = Table(run / "metrics.csv")
    assert losses == pytest.approx(dict(zip(metrics.numbers("step"), metrics.numbers("loss"), strict=True)))
    _as_without(recipe, run, tmp_path, console)


def _as_without(recipe: Recipe, run: Path, place: Path, console: Console) -> None:
    """Loggers change nothing: weights and metrics are those of a run without any."""
    plain = train(_with(recipe), "tiny", place / "plain", None, console)
    for name in ("metrics.csv", "encoder.safetensors"):
        assert (plain / name).read_bytes() == (run / name).read_bytes(), name


def test_mlflow_without_its_server(
    tiny: Tiny, tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    recipe = tiny("loggers=[{kind: mlflow, tracking_uri: 'http://127.0.0.1:9'}]")
    with pytest.raises(TrainingError, match=r"mlflow does not start: .*See that its server runs"):
        train(recipe, "tiny", tmp_path / "run", None, console)
    assert not (tmp_path / "run").exists()
