"""The tables and the picture of a sweep."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from gmssl.errors import TrainingError
from gmssl.sweeping.picture import draw
from gmssl.sweeping.results import grids, read_only, results_csv, runs_csv, sections
from gmssl.sweeping.run import Outcome, Plan, plan_sweep

FIRST, SECOND = "learning_rate=0.25", "learning_rate=0.5"

Sweep = Callable[..., tuple[Plan, Outcome]]


def test_numbers_of_the_tables(sweep: Sweep) -> None:
    plan, outcome = sweep(seeds=3, evaluate=["linear"])
    found = sections(plan, outcome)
    loss, *_, linear = grids(plan, found)
    assert loss.rows == [
        ("0.25", "3", "1.25 ± 1", "–", "–"),
        ("0.5", "3", "1.5 ± 1", "+0.25", "[+0.25, +0.25]"),
    ]
    assert linear.rows[1:] == [
        ("0.5", "3", "70.0 ± 10.0", "+0.0", "[+0.0, +0.0]"),
        ("untrained", "3", "60.0 ± 0.0", "-10.0", "[-34.8, +14.8]"),
        ("pixels", "–", "70.0", "+0.0", "[-24.8, +24.8]"),
    ]
    rows = list(csv.DictReader(StringIO(results_csv(plan, found))))
    row = next(r for r in rows if r["metric"] == "loss" and r["optimiser.learning_rate"] == "0.5")
    assert (row["seeds"], row["mean"], row["sd"], row["difference"]) == ("3", "1.5", "1.0", "0.25")
    assert float(row["high"]) == pytest.approx(1.5 + 4.302653 / 3**0.5)
    rows = [r for r in rows if r["metric"] == "linear"]
    assert [r["optimiser.learning_rate"] for r in rows] == ["0.25", "0.5", "untrained", "pixels"]
    assert float(rows[2]["difference"]) == pytest.approx(-0.1)
    assert float(rows[3]["difference"]) == pytest.approx(0)
    runs = list(csv.DictReader(StringIO(runs_csv(plan, found))))
    assert [(r["run"], r["loss"]) for r in runs][-1] == (f"{SECOND}_seed=2", "2.5")
    assert len(runs) == 6


def test_picture_holds_a_dot_for_each_seed(sweep: Sweep) -> None:
    plan, outcome = sweep(seeds=3, evaluate=["knn"])
    found = sections(plan, outcome)
    panels = [ax for ax in draw(found).axes if ax.get_visible()]
    own = [s.metric.heading for s in found if not s.metric.reference]
    assert [ax.get_title(loc="left") for ax in panels] == [own[-1], *own[:-1]]  # evaluations first
    across = {line.get_label(): line.get_xdata()[0] for line in panels[0].lines if len(set(line.get_xdata())) == 1}
    assert (across["untrained"], across["pixels"]) == (50, 60)
    dots = [line for line in panels[1].lines if line.get_label() == "one seed"]
    assert [sorted(line.get_xdata()) for line in dots] == [[0.25, 1.25, 2.25], [0.5, 1.5, 2.5]]


@pytest.mark.parametrize("seeds", [1, 2])
def test_picture_of_few_runs(sweep: Sweep, seeds: int) -> None:
    plan, outcome = sweep("margin=0", seeds=seeds)
    assert draw(sections(plan, outcome)).axes


def test_references_of_several_encoders(quick_file: Path, tmp_path: Path, program) -> None:
    """Cells with the same encoder share a line, others have their own."""
    grid = ["encoder.channels=[8, 8, 8, 8],[8, 8, 8, 16]", "margin=0,1"]
    plan = plan_sweep([quick_file], grid, 2, ["knn"], out=tmp_path / "out")
    small, large = {"knn_untrained": 0.5, "knn_pixels": 0.4}, {"knn_untrained": 0.6, "knn_pixels": 0.4}
    values = {(run.cell.name, run.seed): {"knn": 0.7, **small} for run in plan.runs}
    values |= {(run.cell.name, run.seed): {"knn": 0.7, **large} for run in plan.runs if "16" in run.cell.values[0]}
    found = sections(plan, Outcome(values, {}))
    section = next(s for s in found if s.metric.name == "knn")
    assert [(line.name, line.summary.mean) for line in section.references] == [
        ("untrained, channels=[8, 8, 8, 8]", 0.5),
        ("untrained, channels=[8, 8, 8, 16]", 0.6),
        ("pixels", 0.4),
    ]
    assert [len(line.beside) for line in section.references] == [2, 2, 4]
    draw(found)


def test_results_are_chosen_by_metric_or_classifier(
    sweep: Sweep, quick_file: Path, labelled: Callable[..., Path], tmp_path: Path
) -> None:
    sets = [f"{name}={labelled(tmp_path / name, 2, 10)}" for name in ("brain", "chest")]
    grid = ["optimiser.learning_rate=0.25,0.5"]
    plan = plan_sweep([quick_file], grid, 1, ["knn", "linear"], sets, out=tmp_path / "out")
    assert read_only(plan, None) is None
    assert read_only(plan, "loss") == {"loss"}
    assert read_only(plan, "knn, chest_linear") == {"brain_knn", "chest_knn", "chest_linear"}
    known = (
        "loss, match_accuracy, match_accuracy_noiseless, brain_knn, knn, brain_linear, linear, chest_knn, chest_linear"
    )
    for given in ("probe_knn", "knn,", "brain_knn_untrained"):
        with pytest.raises(TrainingError, match=rf"--only {given}: .* Choose from {known}\.$"):
            read_only(plan, given)
    probed = ["probe.data=phantoms"]
    plan = plan_sweep([quick_file], grid, 1, ["knn"], sets, probed, out=tmp_path / "probed")
    assert read_only(plan, "probe_knn") == {"probe_knn"}
    with pytest.raises(TrainingError, match=r"has no result 'linear'.*chest_knn\.$"):
        read_only(plan, "linear")
