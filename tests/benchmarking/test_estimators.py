"""The estimator report: who takes part, what the rows are, and that tables and picture show them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gmssl.benchmarking.estimators import comparison as module
from gmssl.benchmarking.estimators.comparison import EstimatorReport, Plan, compare_estimators
from gmssl.benchmarking.estimators.contestants import PROBLEMS, STAGES, STRENGTHS, contestants, problems
from gmssl.benchmarking.estimators.expected_loss import Smoothing
from gmssl.benchmarking.estimators.picture import draw, save, spaced
from gmssl.benchmarking.estimators.statistics import MEASURES, Interval
from gmssl.benchmarking.estimators.tables import COLUMNS, estimator_summary, estimator_tables, shown
from gmssl.errors import ProblemError, RecipeError
from gmssl.interfaces.registry import kinds

SMOOTHING = Smoothing("gumbel", 0.3)


def test_every_kind_takes_part_under_the_noise_of_the_expected_loss() -> None:
    for edges in (True, False):
        found, absent = contestants(kinds("estimator"), SMOOTHING, edges)
        assert {one.kind for one in found} | {one.kind for one in absent} == set(kinds("estimator"))
        assert [one.kind for one in absent] == (["exact"] if edges else [])
        for one in found:
            assert getattr(one.estimator, "noise", SMOOTHING.noise) == SMOOTHING.noise
            assert getattr(one.estimator, "temperature", 0.3) == 0.3
        assert [one.strength for one in found if one.kind == "blackbox"] == [*STRENGTHS]
        assert [one.samples for one in found if one.kind == "perturbed"] == [4, 16], "a covariance needs two"


def test_stages_of_training_go_from_noise_to_separation() -> None:
    problem = problems(4, 5, seed=0, edges=False)
    assert problem.target is not None
    cosines = -(problem.costs.vertex * problem.target).sum((1, 2)).view(len(STAGES), -1).mean(1) / 4
    assert cosines.tolist() == sorted(cosines.tolist())


@pytest.fixture(scope="module")
def report() -> EstimatorReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TEMPERATURES", (0.5,))
        patch.setattr(module, "_QUICK_DRAWS", 64)
        wanted = ("identity", "imle", "exact", "perturbed")
        return compare_estimators(Plan((2, 3), 2, 4, wanted, quick=True), "gmssl bench estimators --n 2")


def test_rows_are_one_for_each_setting(report: EstimatorReport) -> None:
    assert len(report.rows) == 2 * (1 + 3 * len(STRENGTHS) + 2) + 1
    assert all(set(row.measures) == set(MEASURES) and set(row.cosines) == set(STAGES) for row in report.rows)
    assert [(one.problem, one.instances) for one in report.references] == [(problem, 12) for problem in PROBLEMS]
    assert all(0 < sum(one.loss.values()) / 3 < 6 and one.steep <= one.instances for one in report.references)


def test_tables_and_pictures_show_the_rows(report: EstimatorReport, tmp_path: Path) -> None:
    reference, *tables, absent = estimator_tables(report)
    assert [row[0] for row in reference.rows] == [*PROBLEMS]
    assert absent.rows[0][0] == "exact"
    names = [row.name for row in report.rows if row.problem == PROBLEMS[1]]
    for table in (tables[1], tables[3]):
        assert [row[0] for row in table.rows] == names
    assert len(tables[0].headings) == len(COLUMNS) + 1
    assert "gmssl bench estimators --n 2" in estimator_summary(report)
    panels = draw(report).axes
    titles = [panel.get_title(loc="left") for panel in panels]
    assert titles == [f"{problem}, temperature 0.5" for problem in PROBLEMS for _ in range(2)]
    assert [label.get_text() for label in panels[2].get_xticklabels()] == [
        *(f"{strength:g}" for strength in STRENGTHS), "identity", "exact", "perturbed",
    ]  # fmt: skip
    save(report, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.format == "PNG"


def test_a_report_of_one_estimator_can_be_drawn(report: EstimatorReport) -> None:
    for kind in ("exact", "imle"):
        assert draw(replace(report, rows=[row for row in report.rows if row.estimator == kind])).axes
    assert draw(replace(report, rows=[])).axes


def test_numbers_are_shown_with_their_intervals() -> None:
    assert shown(Interval(None)) == "–"
    assert shown(Interval(0.5)) == "0.5"
    assert shown(Interval(0.1234, 0.0, 0.2)) == "0.123 ± 0.12"
    assert shown(Interval(0.5, 0.4, 0.6), 100) == "50 ± 10"
    assert spaced(1.0, 2, 0.5) == [0.75, 1.25]


@pytest.mark.parametrize("n", [1, 6])
def test_sizes_that_cannot_be_enumerated_are_refused(n: int) -> None:
    with pytest.raises(ProblemError, match=rf"n = {n} cannot be measured.*from 2 to 5"):
        Plan((4, n))


def test_other_wrong_plans() -> None:
    with pytest.raises(RecipeError, match="did you mean 'imle'"):
        Plan(kinds=["imel"])
    with pytest.raises(ProblemError, match="density"):
        Plan(noise="none")
