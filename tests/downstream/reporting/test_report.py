"""What a report says of three benchmarks, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmssl.downstream.reporting.confusion import matrices, matrix
from gmssl.downstream.reporting.judged import IMAGENET, RANDOM, TRAINED, encoders_of, read_all, role_of
from gmssl.downstream.reporting.records import files as csv_files
from gmssl.downstream.reporting.report import compare
from gmssl.downstream.reporting.sites import Sites, drop_of
from gmssl.downstream.reporting.tables import all_tables
from gmssl.downstream.results import Result
from gmssl.errors import DataError

Make = Callable[..., Result]
Write = Callable[..., Path]


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_the_order_of_files_does_not_matter(three: list[Path], data: st.DataObject) -> None:
    given_files = data.draw(st.permutations([*three, three[0]]))
    one, other = compare(three, samples=0), compare(given_files, samples=0)
    assert all_tables(one) == all_tables(other)
    assert csv_files(one) == csv_files(other)


def test_encoders_stand_with_what_they_must_beat_last(three: list[Path]) -> None:
    assert encoders_of(read_all(three)) == ["byol", "ours", "ImageNet", "random"]


def test_scores_are_printed_as_the_paper_does(three: list[Path]) -> None:
    report = compare(three, samples=0)
    table = all_tables(report)[0]
    assert table.headings == (
        "encoder",
        "brain accuracy ↑",
        "brain accuracy ↑, without leaks",
        "chest accuracy ↑",
        "retina accuracy ↑",
    )
    lines = {row[0].text: row for row in table.rows}
    assert list(lines) == ["byol", "ours", "ImageNet", "random", "second observer"]
    result = report.judged[0].named("ours")
    assert result is not None
    values = list(result.scores["accuracy"].per_seed.values())
    assert lines["ours"][1].text == f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}"
    assert lines["byol"][1].text == "–"
    assert lines["ours"][1].mark == "best"
    assert lines["second observer"][4].text == "93.00 ± 0.00"
    notes = "\n".join(table.notes)
    assert "brain: accuracy; 180 cases of 30 patients, 60 scored, 3 seeds, frozen encoders; 20 scored images" in notes
    assert "ours against random: better on brain" in notes


def test_an_encoder_below_imagenet_is_called_worse(make: Make, write: Write) -> None:
    file = write("b", make("b", "ours", 0.4), make("b", "ImageNet", 0.95))
    notes = "\n".join(all_tables(compare([file], samples=0))[0].notes)
    assert "ours against ImageNet: WORSE on b (accuracy ↑ −" in notes
    assert "b: random weights not evaluated" in notes


@pytest.mark.parametrize(
    ("name", "source", "role"),
    [
        ("ours", "runs/from_imagenet/encoder.safetensors", TRAINED),
        ("ours from ImageNet", "runs/a_0/encoder.safetensors for seed 0, and one for each other seed", TRAINED),
        ("from random", "runs/random_0/encoder.safetensors", TRAINED),
        ("ImageNet", "pretrained weights of timm", IMAGENET),
        ("lite0", "294 tensors of weights/lite0_imagenet.safetensors", IMAGENET),
        ("small", "random weights, seed 0", RANDOM),
    ],
)
def test_what_began_with_a_reference_is_none(make: Make, name: str, source: str, role: int) -> None:
    result = make("b", name, 0.4)
    assert role_of(replace(result, encoder=replace(result.encoder, source=source))) == role


def test_the_change_between_sites_is_paired_over_seeds(three: list[Path]) -> None:
    judged = next(one for one in read_all(three) if one.name == "retina")
    sites = Sites.of(judged)
    assert (sites.learnt, sites.unseen) == (("north",), ("south",))
    result = judged.results[0]
    found = drop_of(result, "accuracy", sites)
    south, north = (np.array(list(result.per_site[s]["accuracy"].per_seed.values())) for s in ("south", "north"))
    assert found is not None
    assert found.mean == pytest.approx((south - north).mean())
    table = next(table for table in all_tables(compare(three, samples=0)) if table.name == "sites-retina")
    assert table.headings[1:] == (
        "north (30 cases, learnt from)",
        "south (30 cases, never seen)",
        "change to sites never seen",
    )
    assert [cell.text for cell in table.rows[-1]] == ["second observer", "93.00 ± 0.00", "93.00 ± 0.00", ""]


def test_published_rows_stand_beside_ours(three: list[Path]) -> None:
    report = compare(three, samples=0)
    table = next(table for table in all_tables(report) if table.name == "published-brain")
    assert table.headings == ("method", "published", "ours: ours", "ours: ImageNet", "ours: random")
    result = report.judged[0].named("ours")
    assert result is not None
    mean = result.scores["accuracy"].mean
    assert mean is not None
    assert [cell.text for cell in table.rows[1][:2]] == ["R50 random", "61.50 ± 0.40"]
    assert table.rows[1][2].text == f"{100 * mean - 61.5:+.2f}"
    assert table.rows[2][1].text == "84.20"


def test_csv_holds_the_scores_exactly(three: list[Path]) -> None:
    report = compare(three, samples=0)
    rows = list(csv.DictReader(csv_files(report)["scores.csv"].splitlines()))
    found = {
        (row["benchmark"], row["encoder"]): row for row in rows if row["metric"] == "accuracy" and row["cases"] == "all"
    }
    for one in report.judged:
        for result in one.results:
            row, stated = found[one.name, result.encoder.name], result.scores["accuracy"]
            assert float(row["mean"]) == stated.mean
            assert json.loads(row["per_seed"]) == stated.per_seed


def test_another_score_is_shown_of_all_benchmarks_or_of_one(three: list[Path]) -> None:
    assert {one.metric for one in read_all(three, ["balanced_accuracy"])} == {"balanced_accuracy"}
    chosen = {one.name: one.metric for one in read_all(three, ["chest=balanced_accuracy"])}
    assert chosen == {"brain": "accuracy", "chest": "balanced_accuracy", "retina": "accuracy"}
    with pytest.raises(DataError, match=r"brain has no such score; it has accuracy, balanced_accuracy"):
        read_all(three, ["dice"])
    with pytest.raises(DataError, match="there is no benchmark 'lung'; there are brain, chest, retina"):
        read_all(three, ["lung=f1"])


def test_less_is_better_of_distances(make: Make, write: Write) -> None:
    result = make("b", "ours", 0.5)
    far = replace(result, scores={"hd95_mm": result.scores["accuracy"]}, main="hd95_mm", higher_is_better=None)
    assert not read_all([write("far", far)])[0].higher
    assert read_all([write("told", replace(far, higher_is_better=True))])[0].higher


def test_rows_that_are_gone_are_told(make: Make, write: Write) -> None:
    file = write("b", *(replace(make("b", name, 0.5), fits=("nowhere/fit",)) for name in ("ours", "random")))
    report = compare([file])
    assert "nowhere/fit" not in report.rows
    assert report.pairs["b"][0].patients is None
    notes = "\n".join(all_tables(report)[0].notes)
    assert "b: no intervals over patients or cases, because" in notes


def test_matrices_count_what_is_taken_for_what(three: list[Path], make: Make) -> None:
    counts = matrix([{"truth": 0, "probabilities": [0.1, 0.9]}, {"truth": 1, "probabilities": [0.2, 0.8]}], 2)
    assert counts is not None
    assert counts.tolist() == [[0, 1], [0, 1]]
    assert matrix([{"scores": {}}], 2) is None
    report = compare(three, samples=0)
    found = matrices(report.judged[0], report.rows["brain"])["ours"]
    result = report.judged[0].named("ours")
    assert result is not None
    assert np.trace(found) / found.sum() == pytest.approx(result.scores["accuracy"].mean)


def _digest(result: Result) -> Result:
    return replace(result, data=replace(result.data, digest="another"))


CHANGES: dict[str, tuple[Callable[[Result], Result], str]] = {
    "data": (_digest, "with different data (digest"),
    "task": (lambda one: replace(one, task={**one.task, "size": 64}), "settings of the task (size): 32 and 64"),
    "training": (
        lambda one: replace(one, protocol={**one.protocol, "training": {"epochs": 9, "frozen": True}}),
        "settings of training (epochs): 3 and 9",
    ),
    "weights": (
        lambda one: replace(one, encoder=replace(one.encoder, fingerprint="0")),
        "both hold 'ours' on 'b', with different weights",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_must_not_be_compared_is_refused(make: Make, write: Write, name: str) -> None:
    change, message = CHANGES[name]
    result = make("b", "ours", 0.5)
    files = [write("one", result), write("two", change(result))]
    with pytest.raises(DataError) as caught:
        read_all(files)
    assert message in str(caught.value)
    assert all(str(file) in str(caught.value) for file in files)


def test_scores_that_contradict_each_other_are_refused_and_more_seeds_win(make: Make, write: Write) -> None:
    few, many = make("b", "ours", 0.5, seeds=(0, 1)), make("b", "ours", 0.5, seeds=(0, 1, 2))
    assert read_all([write("few", few), write("many", many)])[0].any.seeds == (0, 1, 2)
    other = replace(many, scores=make("b", "random", 0.3).scores)
    with pytest.raises(DataError, match="same weights and seeds but different scores"):
        read_all([write("many", many), write("other", other)])


NO_RESULTS = {
    "text": ("no json", "holds no results"),
    "list": ("[1, 2]", "holds no results"),
    "other": ('{"schema": 1, "beside": [], "benchmark": "b", "scores": [], "clean": null}', "holds no results"),
    "schema": ('{"schema": 99, "beside": []}', "has schema 99, and this gmssl reads 1"),
}


@pytest.mark.parametrize("name", NO_RESULTS)
def test_files_without_results_are_refused(tmp_path: Path, name: str) -> None:
    text, message = NO_RESULTS[name]
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_all([tmp_path / "x.json"])


def test_numbers_that_are_none_are_refused(make: Make, write: Write) -> None:
    file = write("b", make("b", "ours", 0.5))
    loaded = json.loads(file.read_text())
    loaded["scores"]["accuracy"]["mean"] = "high"
    file.write_text(json.dumps(loaded))
    with pytest.raises(DataError, match="'high' is no number"):
        read_all([file])
