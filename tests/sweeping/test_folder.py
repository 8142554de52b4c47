"""A sweep is found again, and goes on, in whatever order it is written, and with values and variants added."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from gmssl.errors import TrainingError
from gmssl.sweeping.run import Outcome, Plan, plan_sweep, run_sweep

RATES = "optimiser.learning_rate=0.25,0.5"

Sweep = Callable[..., tuple[Plan, Outcome]]


def test_the_order_of_axes_and_values_is_no_difference(sweep: Sweep, program) -> None:
    _, outcome = sweep([RATES, "margin=0,1"])
    program.calls.clear()
    plan, again = sweep(["margin=1,0", "optimiser.learning_rate=0.5,0.25"])
    assert program.calls == []
    assert again.values == outcome.values
    assert plan.cells[0].values == ("1", "0.5")
    assert plan.cells[0].name == "learning_rate=0.5_margin=1"
    sweep([RATES, "margin=0,1"])
    assert program.calls == []


def test_the_default_folder_is_found_in_any_order(
    quick_file: Path, tmp_path: Path, program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = plan_sweep([quick_file], [RATES], 1)
    run_sweep(plan, Console(file=StringIO()))
    root = plan.folder.root
    for other in ("quick-00000000", "quick-11111111"):
        (root.with_name(other)).mkdir()
    (root.with_name("quick-11111111") / "sweep.yaml").write_text("[")
    for grid in (RATES, "optimiser.learning_rate=0.5,0.25"):
        for overrides in ((), ("train.workers=1",)):
            assert plan_sweep([quick_file], [grid], 1, overrides=overrides).folder.root == root
    assert plan_sweep([quick_file], ["margin=0,1"], 1).folder.root != root


def test_the_default_folder_is_found_for_recipes_in_any_order(
    quick_file: Path, tmp_path: Path, program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other.yaml"
    other.write_text(quick_file.read_text() + "margin: 1.0\n")
    plan = plan_sweep([quick_file, other], [], 1)
    run_sweep(plan, Console(file=StringIO()))
    assert plan_sweep([other, quick_file], [], 1).folder.root == plan.folder.root


def test_of_two_sweeps_that_were_planned_at_once_one_is_refused(quick_file: Path, tmp_path: Path, program) -> None:
    first, second = (plan_sweep([quick_file], [grid], 1, out=tmp_path / "one") for grid in (RATES, "margin=0,1"))
    run_sweep(first, Console(file=StringIO()))
    before = {path: path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file()}
    program.calls.clear()
    with pytest.raises(TrainingError, match=r"one belongs to another sweep.*Name another folder"):
        run_sweep(second, Console(file=StringIO()))
    assert program.calls == []
    assert {path: path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("grid", ["", "margin: 3", "margin: [3]"])
def test_a_file_that_was_changed_is_one_message(sweep: Sweep, tmp_path: Path, grid: str) -> None:
    sweep(seeds=1)
    text = yaml.safe_load((tmp_path / "out" / "sweep.yaml").read_text())
    text["grid"] = yaml.safe_load(grid)
    (tmp_path / "out" / "sweep.yaml").write_text(yaml.safe_dump(text))
    with pytest.raises(TrainingError, match=r"sweep.yaml was changed"):
        sweep(seeds=1)


def test_more_values_add_to_a_sweep(sweep: Sweep, program) -> None:
    sweep(seeds=1)
    program.calls.clear()
    _, outcome = sweep("optimiser.learning_rate=1.5,0.5,0.25", seeds=1)
    assert [Path(call[-1]).name for call in program.calls] == ["learning_rate=1.5_seed=0"]
    assert len(outcome.values) == 3
    with pytest.raises(TrainingError, match=r"its grid has optimiser.learning_rate.0 1.5, this one absent"):
        sweep(seeds=1)


def test_more_variants_add_to_a_sweep(sweep: Sweep, program, tmp_path: Path) -> None:
    file = tmp_path / "variants.yaml"
    file.write_text("plain:\nfast: [optimiser.learning_rate=4]\n")
    sweep(None, seeds=1, variants=file)
    program.calls.clear()
    file.write_text("wide: [margin=1]\nfast: [optimiser.learning_rate=4]\nplain:\n")
    sweep(None, seeds=1, variants=file)
    assert [Path(call[-1]).name for call in program.calls] == ["variant=wide_seed=0"]
    assert set(yaml.safe_load((tmp_path / "out" / "sweep.yaml").read_text())["recipe"]) == {"plain", "fast", "wide"}
    file.write_text("wide: [margin=1]\nfast: [optimiser.learning_rate=5]\nplain:\n")
    with pytest.raises(TrainingError, match=r"its recipe has fast.optimiser.learning_rate 4, this one 5"):
        sweep(None, seeds=1, variants=file)


def test_a_value_that_would_rename_runs_is_refused(sweep: Sweep, tmp_path: Path) -> None:
    file = tmp_path / "variants.yaml"
    file.write_text("plain:\nfast: [margin=1]\n")
    sweep(None, seeds=1, variants=file)
    file.write_text("plain:\nfast: [margin=1]\nFast: [margin=2]\n")
    with pytest.raises(TrainingError, match=r"has runs called variant=fast, and with the values added"):
        sweep(None, seeds=1, variants=file)


def test_other_workers_are_no_other_recipe(sweep: Sweep, program) -> None:
    """They are the advice where loaders fail."""
    program.faults["learning_rate=0.5_seed=0"] = "a loader fell over"
    sweep(seeds=1)
    program.faults.clear()
    program.calls.clear()
    assert sweep(seeds=1, overrides=["train.workers=1"])[1].failures == {}
    assert [Path(call[-1]).name for call in program.calls] == ["learning_rate=0.5_seed=0"]
