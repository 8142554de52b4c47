"""Finished runs of another sweep are taken where their digest is the wanted one, and only there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from gmssl.errors import TrainingError
from gmssl.sweeping.reuse.digests import read_kept
from gmssl.sweeping.reuse.taking import open_sources
from gmssl.sweeping.run import Outcome, plan_sweep, run_sweep

FIRST, SECOND = "learning_rate=0.25", "learning_rate=0.5"

Reusing = Callable[..., tuple[Outcome, str]]


@pytest.fixture
def reusing(quick_file: Path, tmp_path: Path, program) -> Reusing:
    """A sweep of `rates` in a folder, with finished runs of others; gives its outcome and what it told."""

    def run(out: str, *reuse: str, rates: str = "0.25,0.5", seeds: Any = 1, **options: Any) -> tuple[Outcome, str]:
        program.calls.clear()
        grid = [f"optimiser.learning_rate={rates}"]
        plan = plan_sweep([quick_file], grid, seeds, out=tmp_path / out, **options)
        sources = open_sources([tmp_path / each for each in reuse], plan.folder.root)
        told = StringIO()
        return run_sweep(plan, Console(file=told, width=1000), reuse=sources), told.getvalue()

    return run


def done(program, what: str = "train") -> list[str]:
    """Names of the runs that were not taken."""
    return [Path(call[1] if what == "evaluate" else call[-1]).name for call in program.calls if call[0] == what]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_equal_runs_are_taken_and_others_trained(reusing: Reusing, program, tmp_path: Path) -> None:
    before, _ = reusing("a")
    (tmp_path / "a" / "runs" / f"{FIRST}_seed=0" / "last.ckpt").write_bytes(b"state")
    kept = contents(tmp_path / "a")
    outcome, told = reusing("b", "a", rates="0.25,0.75", seeds=2)
    assert set(done(program)) == {"learning_rate=0.75_seed=0", f"{FIRST}_seed=1", "learning_rate=0.75_seed=1"}
    assert outcome.values[FIRST, 0] == before.values[FIRST, 0]
    assert f"1 run taken from {tmp_path / 'a'}\n" in told
    assert "3 runs not taken: no finished run with a digest has the same recipe and seed there\n" in told
    assert f"{FIRST}_seed=0: taken from {tmp_path / 'a'}\n" in told
    assert contents(tmp_path / "a") == kept
    source, target = (tmp_path / sweep / "runs" / f"{FIRST}_seed=0" for sweep in "ab")
    assert contents(target) == contents(source)
    for name, shared in {"last.ckpt": True, "encoder.safetensors": True, "metrics.csv": False}.items():
        assert os.path.samefile(source / name, target / name) == shared, name
    digest = read_kept(tmp_path / "b" / "digests" / f"{FIRST}_seed=0.json")
    assert digest is not None
    assert digest.taken_from == str(source)
    recipe = yaml.safe_load((tmp_path / "b" / "recipes" / f"{FIRST}_seed=0.yaml").read_text())
    assert (recipe["optimiser"]["learning_rate"], recipe["seed"]) == (0.25, 0)
    again, told = reusing("b", "a", rates="0.25,0.75", seeds=2)
    assert (done(program), again) == ([], outcome)
    assert "taken" not in told


def test_without_the_option_all_is_trained(reusing: Reusing, program) -> None:
    reusing("a")
    reusing("b")
    assert len(done(program)) == 2


def test_runs_are_taken_from_those_that_took_them(reusing: Reusing, program, tmp_path: Path) -> None:
    reusing("a")
    reusing("b", "a")
    shutil.rmtree(tmp_path / "a")
    reusing("c", "b")
    assert done(program) == []


def test_a_folder_of_sweeps_offers_the_runs_of_all(reusing: Reusing, program, tmp_path: Path) -> None:
    reusing("all/a", rates="0.25")
    reusing("all/b", rates="0.5")
    _, told = reusing("all/c", "all", "all/a")
    assert done(program) == []
    for sweep in "ab":
        assert told.count(f"1 run taken from {tmp_path / 'all' / sweep}\n") == 1


def test_runs_of_other_names_are_found(reusing: Reusing, program, quick: dict, tmp_path: Path) -> None:
    """The digest counts: here the setting of the grid stands in the recipe, in other words and order."""
    reusing("a", rates="0.25")
    quick["optimiser"] = {"learning_rate": 0.25, "kind": "adamw"}
    quick["train"]["workers"] = 1
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(dict(reversed(quick.items())), sort_keys=False))
    plan = plan_sweep([other], ["margin=0,1"], 1, out=tmp_path / "b")
    program.calls.clear()
    run_sweep(plan, Console(file=StringIO()), reuse=open_sources([tmp_path / "a"], tmp_path / "b"))
    assert done(program) == ["margin=1_seed=0"]
    plan = plan_sweep([other], ["margin=0,1"], 1, out=tmp_path / "b")  # the taken run is no run of another recipe
    assert plan.folder.root == tmp_path / "b"


def test_unfinished_runs_are_not_taken(reusing: Reusing, program, tmp_path: Path) -> None:
    program.faults[f"{FIRST}_seed=0"] = "ended by SIGKILL"
    reusing("a")
    program.faults.clear()
    (tmp_path / "a" / "runs" / f"{SECOND}_seed=0" / "encoder.safetensors").unlink()
    reusing("b", "a")
    assert len(done(program)) == 2


def test_runs_without_a_digest_are_not_taken(reusing: Reusing, program, tmp_path: Path) -> None:
    reusing("a")
    (tmp_path / "a" / "digests" / f"{FIRST}_seed=0.json").unlink()
    (tmp_path / "a" / "digests" / f"{SECOND}_seed=0.json").write_text("{}")
    reusing("b", "a")
    assert len(done(program)) == 2


def test_runs_whose_weights_were_replaced_are_not_taken(reusing: Reusing, program, tmp_path: Path) -> None:
    reusing("a", rates="0.25")
    weights = tmp_path / "a" / "runs" / f"{FIRST}_seed=0" / "encoder.safetensors"
    weights.write_bytes(b"of another training")
    _, told = reusing("b", "a", rates="0.25")
    assert len(done(program)) == 1
    assert f"1 run not taken: {weights.parent} was changed after its training\n" in told
    assert not list((tmp_path / "b" / "runs").glob(".*"))


def test_what_else_differs_is_told(reusing: Reusing, program, monkeypatch: pytest.MonkeyPatch) -> None:
    reusing("a")
    monkeypatch.setattr("gmssl.sweeping.reuse.facts.program", lambda: {"packages": {"torch": "1.0"}})
    reusing("b")
    monkeypatch.setattr("gmssl.sweeping.reuse.facts.program", lambda: {"packages": {"torch": "2.0"}})
    _, told = reusing("c", "b", "a")
    assert len(done(program)) == 2
    assert "2 runs not taken: the run there has program.packages.torch 1.0, this one 2.0\n" in told


@pytest.fixture
def scans(labelled: Callable[..., Path], quick: dict, quick_file: Path, tmp_path: Path) -> Path:
    """Images that the recipe trains on."""
    folder = labelled(tmp_path / "scans", 2, 12)
    quick_file.write_text(yaml.safe_dump({**quick, "data": {"kind": "folder", "root": str(folder)}}))
    return folder / "class0" / "0.png"


def test_other_images_are_another_run(reusing: Reusing, program, scans: Path) -> None:
    reusing("a")
    reusing("b", "a")
    assert done(program) == []
    os.utime(scans, (1, 1))
    _, told = reusing("c", "a", "b")
    assert len(done(program)) == 2
    assert "2 runs not taken: the run there has images.data.digest " in told


def test_images_that_change_during_a_run_leave_no_digest(
    reusing: Reusing, program, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(arguments, *rest):
        fault = program(arguments, *rest)
        if FIRST in arguments[1]:
            os.utime(scans, (1, 1))
        return fault

    monkeypatch.setattr("gmssl.sweeping.run.run_command", changing)
    outcome, _ = reusing("a")
    assert len(outcome.values) == 2
    assert [path.stem for path in (tmp_path / "a" / "digests").iterdir()] == [f"{SECOND}_seed=0"]


def interrupted(reusing: Reusing, program, tmp_path: Path) -> Path:
    """A sweep that was stopped in its first run, which has a checkpoint."""
    program.faults[f"{FIRST}_seed=0"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        reusing("a", rates="0.25")
    program.faults.clear()
    run = tmp_path / "a" / "runs" / f"{FIRST}_seed=0"
    run.mkdir()
    (run / "last.ckpt").touch()
    shutil.copy(tmp_path / "a" / "recipes" / f"{FIRST}_seed=0.yaml", run / "recipe.yaml")
    return run


@pytest.mark.parametrize("changed", [False, True])
def test_a_resumed_run_has_a_digest_if_nothing_changed(
    reusing: Reusing, program, scans: Path, tmp_path: Path, changed: bool
) -> None:
    interrupted(reusing, program, tmp_path)
    if changed:
        os.utime(scans, (1, 1))
    reusing("a", rates="0.25")
    assert [call[1] for call in program.calls] == ["--resume"]
    assert (read_kept(tmp_path / "a" / "digests" / f"{FIRST}_seed=0.json") is None) == changed


def test_a_run_that_has_a_checkpoint_goes_on(reusing: Reusing, program, tmp_path: Path) -> None:
    reusing("other", rates="0.25")
    interrupted(reusing, program, tmp_path)
    _, told = reusing("a", "other", rates="0.25")
    assert [call[1] for call in program.calls] == ["--resume"]
    assert "taken" not in told


@pytest.mark.parametrize("changed", [False, True])
def test_a_sweep_killed_before_the_second_look_looks_later(
    reusing: Reusing, program, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gmssl.sweeping.reuse.digests.Digests.end", lambda *_: None)
        reusing("a", rates="0.25")
    _, told = reusing("b", "a", rates="0.25")
    assert "1 run not taken: no finished run with a digest" in told
    assert len(done(program)) == 1, "nobody has looked whether its images are still the same"
    if changed:
        os.utime(scans, (1, 1))
    reusing("a", rates="0.25")
    assert done(program) == []
    kept = read_kept(tmp_path / "a" / "digests" / f"{FIRST}_seed=0.json")
    assert (kept is None) == changed
    assert changed or (kept is not None and kept.weights is not None)


def test_what_a_killed_taking_left_is_removed(reusing: Reusing, tmp_path: Path) -> None:
    reusing("a", rates="0.25")
    left = tmp_path / "a" / "runs" / f".{SECOND}_seed=0.taking-0123abcd"
    left.mkdir()
    (left / "encoder.safetensors").touch()
    reusing("a", rates="0.25,0.5")
    assert not left.exists()


def test_a_run_that_cannot_be_copied_is_trained(
    reusing: Reusing, program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    reusing("a", rates="0.25")
    with monkeypatch.context() as patch:
        patch.setattr("gmssl.sweeping.reuse.taking.copy_whole", full)
        _, told = reusing("b", "a", rates="0.25")
    run = tmp_path / "a" / "runs" / f"{FIRST}_seed=0"
    assert f"1 run not taken: {run} cannot be copied (No space left on device)\n" in told
    assert len(done(program)) == 1
    assert [path.name for path in (tmp_path / "b" / "runs").iterdir()] == [f"{FIRST}_seed=0"]


def test_evaluations_come_along_where_they_are_the_same(
    reusing: Reusing, program, labelled: Callable[..., Path], tmp_path: Path
) -> None:
    same, other = labelled(tmp_path / "same", 2), labelled(tmp_path / "other", 2)
    brain = {"evaluate": ["knn"], "rates": "0.25"}
    reusing("a", data=[f"brain={same}", f"chest={other}"], **brain)
    outcome, _ = reusing("b", "a", data=[f"brain={same}"], **brain)
    assert program.calls == []
    assert outcome.values[FIRST, 0]["brain_knn"] == 0.5
    run = tmp_path / "b" / "runs" / f"{FIRST}_seed=0"
    assert [path.name for path in (run / "evaluation").iterdir()] == ["sweep-brain.json"]
    assert json.loads((run / "evaluation" / "sweep-brain.json").read_bytes())["run"] == str(run)
    reusing("c", "b", data=[f"brain={other}"], **brain)  # of the same name, and of other images
    assert (len(done(program)), len(done(program, "evaluate"))) == (0, 1)
    reusing("d", "a", data=[f"brain={same}"], folds=3, **brain)
    assert (len(done(program)), len(done(program, "evaluate"))) == (0, 1)
    os.utime(same / "class0" / "0.png", (1, 1))
    reusing("e", "a", data=[f"brain={same}"], **brain)
    assert (len(done(program)), len(done(program, "evaluate"))) == (0, 1)


def test_folders_that_are_no_sweeps(reusing: Reusing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path.iterdir

    def listing(path: Path) -> Any:
        if path.name == "locked":  # the superuser, as in a container, may list every folder
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", listing)
    (tmp_path / "locked").mkdir()
    reusing("a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name, said in {
        "none": "none does not exist. Give the folder of another sweep",
        "file": "file is a file. Give",
        "empty": r"empty holds nothing, and no sweep \(no sweep.yaml\). Give",
        "a/runs": r"runs holds learning_rate=0.25_seed=0, learning_rate=0.5_seed=0, and no sweep",
        "locked": "locked cannot be listed: Permission denied. Give",
        "a": "a is this sweep itself, which keeps its runs anyway. Give",
    }.items():
        with pytest.raises(TrainingError, match=said):
            open_sources([tmp_path / name], tmp_path / "a")
    assert open_sources([tmp_path], tmp_path / "a") == (), "a folder of sweeps may hold this one, and no other yet"
    assert [each.root.name for each in open_sources([tmp_path, tmp_path / "a"], tmp_path / "b")] == ["a"]
