"""The pages of the documentation are what the code makes of the published numbers, and short enough to be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmssl.benchmarking.estimators.comparison import EstimatorReport
from gmssl.benchmarking.estimators.tables import estimator_page, estimator_summary
from gmssl.benchmarking.saved import read_report
from gmssl.benchmarking.solvers.report import Report
from gmssl.benchmarking.solvers.tables import page_tables, summary
from gmssl.errors import FormatError
from gmssl.system.grid import Grid, page_with

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def estimators() -> tuple[str, list[Grid]]:
    report = read_report(RESULTS / "estimators.json", EstimatorReport, "gmssl bench estimators")
    return estimator_summary(report), estimator_page(report)


def solvers() -> tuple[str, list[Grid]]:
    report = read_report(RESULTS / "solvers.json", Report, "gmssl bench solvers")
    return summary(report), page_tables(report)


@pytest.mark.parametrize("what", ["estimator", "solver"])
def test_page_and_numbers_agree(what: str) -> None:
    path = ROOT / "docs" / f"{what}_benchmark.md"
    text, grids = estimators() if what == "estimator" else solvers()
    page = path.read_text(encoding="utf-8")
    assert page == page_with(text, grids, f"gmssl bench {what}s", page, path)


@pytest.mark.parametrize("what", ["estimator", "solver"])
def test_a_page_is_read_in_some_minutes(what: str) -> None:
    assert len((ROOT / "docs" / f"{what}_benchmark.md").read_text(encoding="utf-8").split()) < 2500


def test_one_row_answers_for_each_estimator_and_number_of_samples() -> None:
    table = estimators()[1][0]
    assert len(table.rows) == len({row[:2] for row in table.rows}) <= 15
    assert all(len(row) == len(table.headings) == 8 for row in table.rows)
    imle = next(row for row in table.rows if row[:2] == ("imle", "16"))
    assert imle[-1] == "0.97 ± 0.0013, λ = 3"
    assert next(row for row in table.rows if row[0] == "exact")[2] == "–", "there is no row with edges"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is not a report of `gmssl bench solvers`: Invalid JSON"),
        (b'{"command": "x"}', "is not a report of `gmssl bench solvers`: Field required at machine"),
        (b"\xff\xfe", "is no text"),
        (None, "cannot be read"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FormatError, match=r"give a file that `gmssl bench solvers --out` wrote") as refused:
        read_report(path, Report, "gmssl bench solvers")
    assert said in str(refused.value)
