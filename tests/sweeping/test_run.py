"""A sweep does what is not done yet, and goes on after failures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from gmssl.errors import DataError
from gmssl.sweeping.results import grids, runs_csv, sections, to_markdown
from gmssl.sweeping.run import Outcome, Plan, plan_sweep, run_sweep
from gmssl.sweeping.seeds import read_seeds

RATES = "optimiser.learning_rate=0.25,0.5"
FIRST, SECOND = "learning_rate=0.25", "learning_rate=0.5"

Sweep = Callable[..., tuple[Plan, Outcome]]


def trained(program) -> list[str]:
    return [Path(call[-1]).name for call in program.calls if call[0] == "train"]


def test_all_runs_are_done_seed_by_seed(sweep: Sweep, program, tmp_path: Path) -> None:
    _, outcome = sweep()
    names = [f"{FIRST}_seed=0", f"{SECOND}_seed=0", f"{FIRST}_seed=1", f"{SECOND}_seed=1"]
    assert trained(program) == names
    assert outcome.failures == {}
    assert outcome.values[SECOND, 1] == {"loss": 1.5, "match_accuracy": 0.6, "match_accuracy_noiseless": 0.75}
    for name in names:
        recipe = yaml.safe_load((tmp_path / "out" / "recipes" / f"{name}.yaml").read_text())
        assert f"learning_rate={recipe['optimiser']['learning_rate']}_seed={recipe['seed']}" == name
    program.calls.clear()
    again = sweep()[1]
    assert (again, program.calls) == (outcome, [])


def test_an_interrupted_sweep_goes_on(sweep: Sweep, program, tmp_path: Path) -> None:
    program.faults[f"{FIRST}_seed=1"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        sweep()
    program.faults.clear()
    program.calls.clear()
    # One run has a checkpoint; the other was killed while its folder was made.
    runs, recipes = tmp_path / "out" / "runs", tmp_path / "out" / "recipes"
    (runs / f"{FIRST}_seed=1").mkdir()
    (runs / f"{FIRST}_seed=1" / "last.ckpt").touch()
    (runs / f"{FIRST}_seed=1" / "recipe.yaml").write_text((recipes / f"{FIRST}_seed=1.yaml").read_text())
    (runs / f"{SECOND}_seed=1").mkdir()
    (runs / f"{SECOND}_seed=1" / ".recipe.yaml.123").touch()
    outcome = sweep()[1]
    assert [call[1] for call in program.calls] == ["--resume", str(recipes / f"{SECOND}_seed=1.yaml")]
    assert not (runs / f"{SECOND}_seed=1" / ".recipe.yaml.123").exists()
    assert len(outcome.values) == 4


def test_failures_are_isolated_and_tried_again(sweep: Sweep, program) -> None:
    program.faults[f"{FIRST}_seed=0"] = "ended by SIGKILL"
    plan, outcome = sweep()
    assert outcome.failures == {f"{FIRST}_seed=0": "ended by SIGKILL"}
    assert len(outcome.values) == 3
    found = sections(plan, outcome)
    assert "`learning_rate=0.25_seed=0`: ended by SIGKILL" in to_markdown(plan, "quick.yaml", found, outcome)
    assert grids(plan, found)[0].rows[1][3] == "+0.25 (n = 1)"
    program.faults.clear()
    program.calls.clear()
    assert sweep()[1].failures == {}
    assert trained(program) == [f"{FIRST}_seed=0"]


def test_nothing_worked(sweep: Sweep, program) -> None:
    program.faults["seed"] = "no"
    plan, outcome = sweep()
    assert len(outcome.failures) == 4
    assert sections(plan, outcome) == []
    assert grids(plan, []) == []
    assert len(runs_csv(plan, []).splitlines()) == 1


def test_more_seeds_and_evaluations_later(sweep: Sweep, program) -> None:
    sweep()
    program.calls.clear()
    plan, outcome = sweep(seeds=3, evaluate=["knn"])
    assert trained(program) == [f"{FIRST}_seed=2", f"{SECOND}_seed=2"]
    assert sum(call[0] == "evaluate" for call in program.calls) == 6
    assert outcome.values[FIRST, 2]["knn"] == pytest.approx(0.7)
    assert "linear" not in outcome.values[FIRST, 2]
    assert [row[0] for row in grids(plan, sections(plan, outcome))[-1].rows] == ["0.25", "0.5", "untrained", "pixels"]
    assert sweep(seeds=1)[1].values.keys() == {(FIRST, 0), (SECOND, 0)}


def test_other_seeds_add_to_a_sweep(sweep: Sweep, program) -> None:
    sweep(seeds=1)
    program.calls.clear()
    plan, outcome = sweep(seeds=read_seeds("0,4-5"))
    assert trained(program) == [f"{cell}_seed={seed}" for seed in (4, 5) for cell in (FIRST, SECOND)]
    assert {seed for _, seed in outcome.values} == {0, 4, 5}
    assert "2 cells × 3 seed(s)" in to_markdown(plan, "quick.yaml", sections(plan, outcome), outcome)


def test_images_that_changed_in_between(sweep: Sweep, program) -> None:
    sweep(seeds=1, evaluate=["knn"])
    program.fingerprint = "cd"
    with pytest.raises(DataError, match=r"not comparable.*fingerprint ab and cd.*remove"):
        sweep(seeds=2, evaluate=["knn"])


def test_a_torn_first_file_is_no_obstacle(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in (".lock", ".sweep.yaml.77"):
        (tmp_path / "out" / name).touch()
    assert sweep()[1].failures == {}


@pytest.mark.parametrize("jobs", [2, 3])
def test_several_runs_at_a_time(quick_file: Path, tmp_path: Path, program, monkeypatch, jobs: int) -> None:
    together = threading.Barrier(jobs, timeout=20)

    def meet(arguments, log, lock, given):
        assert given == jobs
        together.wait()
        return program(arguments, log, lock)

    monkeypatch.setattr("gmssl.sweeping.run.run_command", meet)
    plan = plan_sweep([quick_file], [RATES], jobs, out=tmp_path / "out")
    outcome = run_sweep(plan, Console(file=StringIO()), jobs)
    assert len(outcome.values) == 2 * jobs
    assert outcome.failures == {}
