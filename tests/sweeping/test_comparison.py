"""Finished runs side by side, and what must not stand side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.errors import DataError, GmsslError, RecipeError, TrainingError
from gmssl.recipe.recipe import load_recipe
from gmssl.sweeping.comparison import compare


@pytest.fixture
def make(tmp_path: Path, quick: dict, a_run, a_report):
    """`make("a", "margin=1", sweep={…})`: a finished run with an evaluation named `sweep`."""

    def run(name: str, *overrides: str, probe: float | None = None, **reports: dict) -> Path:
        folder = tmp_path / name
        a_run(folder, load_recipe(quick, overrides).dump(), probe=probe)
        for title, options in reports.items():
            (folder / "evaluation").mkdir(exist_ok=True)
            path = folder / "evaluation" / f"{title}.json"
            path.write_text(json.dumps(a_report(**{"knn": 0.7, **options})), encoding="utf-8")
        return folder

    return run


PROBE = "probe={data: phantoms, folds: 2}"


def test_tables(make) -> None:
    one = make("one", PROBE, probe=0.5, brain={}, chest={"folds": None})
    two = make("two", PROBE, "solver={kind: exhaustive}", "seed=3", probe=0.75, brain={"knn": 0.8})
    settings, metrics, brain, chest = compare([one, two])
    assert settings.headings == ("setting", "one", "two")
    assert settings.rows[:2] == [("seed", "0", "3"), ("solver.kind", "lap", "exhaustive")]
    assert ("solver.threads", "none", "–") in settings.rows, "exhaustive has no such setting"
    assert {row[0]: row[1:] for row in metrics.rows} == {
        "loss": ("1", "1"),
        "match accuracy with noise, %": ("60.0", "60.0"),
        "match accuracy without noise, %": ("75.0", "75.0"),
        "kNN probe of the training, %": ("50.0", "75.0"),
        "kNN probe, untrained, %": ("25.0", "25.0"),
    }
    assert brain.title == "Evaluation brain, %"
    assert brain.rows[0] == ("kNN, trained: accuracy", "70.0", "80.0")
    assert ("linear, pixels: accuracy", "70.0", "70.0") in brain.rows
    assert chest.rows[:2] == [("kNN, trained: accuracy", "70.0", "–"), ("kNN, trained: de-leaked", "35.0", "–")]


def test_equal_runs_have_no_table_of_settings(make) -> None:
    assert [grid.title for grid in compare([make("a"), make("b")])] == ["Final metrics"]


def test_runs_of_one_name_are_told_apart(make) -> None:
    folders = [make("x/run"), make("y/run", "margin=1")]
    assert compare(folders)[0].headings[1:] == tuple(map(str, folders))


def test_probes_on_other_images_are_not_shown(make) -> None:
    metrics = compare([make("a", PROBE, probe=0.5), make("b", PROBE, "probe.folds=3", probe=0.5)])[-1]
    assert not any("probe" in row[0] for row in metrics.rows)
    assert "The kNN probes are not shown" in metrics.note


OTHER = [
    ({"fingerprint": "cd"}, "train images: fingerprint ab and cd"),
    ({"neighbours": 5}, "protocol: neighbours 20 and 5"),
    ({"folds": None}, "test images: none and some"),
]


@pytest.mark.parametrize(("options", "message"), OTHER)
def test_other_test_sets_are_refused(make, options: dict, message: str) -> None:
    one, two = make("a", mine={}, ok={}), make("b", mine=options, ok={})
    with pytest.raises(DataError) as caught:
        compare([one, two])
    assert str(one / "evaluation" / "mine.json") in str(caught.value)
    assert message in str(caught.value)
    assert "show others with --evaluation (ok)" in str(caught.value)
    assert compare([one, two], ["ok"])[-1].title == "Evaluation ok, %"


def test_the_command_refuses_other_test_sets(make, refusal) -> None:
    one, two = make("a", mine={}), make("b", mine={"fingerprint": "cd"})
    done = CliRunner().invoke(app, ["compare", str(one), str(two)])
    refusal(done, "train images: fingerprint ab and cd")
    assert done.stderr.count("error: ") == 1


def test_reports_without_fingerprint_are_compared_by_their_counts(make) -> None:
    one, two = make("a", mine={}), make("b", mine={})
    path = two / "evaluation" / "mine.json"
    report = json.loads(path.read_text())
    del report["train"]["fingerprint"]
    path.write_text(json.dumps(report))
    assert compare([one, two])[-1].title == "Evaluation mine, %"
    report["train"]["classes"]["b"] = 21
    path.write_text(json.dumps(report))
    with pytest.raises(DataError, match="classes a 10, b 20 and a 10, b 21"):
        compare([one, two])


def test_wrong_runs(make, tmp_path: Path) -> None:
    good, torn, started = make("good"), make("torn", mine={}), make("started")
    (torn / "evaluation" / "mine.json").write_text("{")
    (started / "encoder.safetensors").unlink()
    (tmp_path / "empty").mkdir()
    wrong: list[tuple[list[Path], type[GmsslError], str]] = [
        ([good], RecipeError, "two or more"),
        ([good, tmp_path / "x" / ".." / "good"], RecipeError, "is given twice"),
        ([good, tmp_path / "none"], TrainingError, "does not exist"),
        ([good, tmp_path / "empty"], TrainingError, "has no recipe.yaml"),
        ([good, good / "recipe.yaml"], TrainingError, "is a file"),
        (
            [good, started],
            TrainingError,
            "is not finished: it has no encoder.safetensors yet. Go on with `gmssl train",
        ),
        ([good, torn], DataError, "is no report of an evaluation"),
    ]
    for folders, error, message in wrong:
        with pytest.raises(error) as caught:
            compare(folders)
        assert message in str(caught.value)
    with pytest.raises(DataError, match=r"--evaluation mind: no run has it; there are mine"):
        compare([good, torn], ["mind"])
