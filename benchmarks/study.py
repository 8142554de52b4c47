"""Tables of docs/results.md, from finished studies: `python benchmarks/study.py [brain] [chest] [union] …`.

    make study-brain && python benchmarks/study.py brain      reads runs/study/brain, writes the page, its picture and
                                                              benchmarks/results/study/brain_{runs,results}.csv
    python benchmarks/study.py --studies FOLDER brain         of a study that lives elsewhere

Tables stand between two marks of the page, `<!-- begin: written by benchmarks/study.py brain -->` and the like. With no
names, all studies that are there.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from gmssl.problem.formats.text import write_text
from gmssl.system.grid import Grid, page_with
from gmssl.system.statistics import difference as paired

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs" / "results.md", ROOT / "benchmarks" / "results" / "study"
STUDIES = ("brain", "chest", "union", "balance", "ladder", "ablations")
POOLED = ("brain", "chest", "union")  # the same methods on other images
STEPWISE = ("ladder",)  # each variant changes one more thing
AGAINST = {  # differences that are asked for besides, of pairs of variants
    "balance": [
        ("simclr_weights", "simclr"),
        ("simclr_duplicates", "simclr"),
        ("lvm_med_corrected_duplicates", "lvm_med_corrected_weights"),
        ("simclr_duplicates", "simclr_weights"),
        ("simclr_weights", "lvm_med_corrected_weights"),
        ("simclr_duplicates", "lvm_med_corrected_duplicates"),
    ]
}
POOLED_SUMMARY = "Differences in points, with 95 % t-intervals over seeds:"
METRICS = {
    "brain_knn": "kNN, brain",
    "brain_linear": "linear, brain",
    "chest_knn": "kNN, chest",
    "chest_linear": "linear, chest",
    "ultrasound_knn": "kNN, ultrasound",
    "ultrasound_linear": "linear, ultrasound",
}
OFFICIAL = {  # leaked, and what is left of it is from elsewhere: printed, and nothing is concluded
    "official_knn_test": "kNN, all",
    "official_knn_test_clean": "kNN, without leaks",
    "official_linear_test": "linear, all",
    "official_linear_test_clean": "linear, without leaks",
}
TITLES = METRICS | OFFICIAL
NAMES = {
    "lvm_med_corrected": "LVM-Med `corrected`",
    "full": "LVM-Med `corrected`",
    "lvm_med_corrected_weights": "LVM-Med `corrected`, equal shares",
    "lvm_med_corrected_duplicates": "LVM-Med `corrected`, copies",
    "lvm_med_as_published": "LVM-Med `as_published`",
    "lvm_med_as_released": "LVM-Med `as_released`",
    "local_terms": "with local terms",
    "no_second_order": "without edges (`lap`)",
    "softmax": "the mean, rows free (`row_softmax`)",
    "softmax_128_nodes": "128 nodes",
    "both_views": "partners from the own view, too",
    "both_views_tuned": "temperature 0.1, learning rate 8e-3",
    "one_partition": "one partition",
    "message_passing": "message passing as published",
    "residual_message_passing": "residual message passing, self-loops",
    "no_noise": "no noise",
    "noise_1": "noise of temperature 1",
    "samples_8": "eight noise samples",
    "edge_weight_1": "edges of weight 1",
    "nodes_8": "8 nodes",
    "nodes_32": "32 nodes, four partitions",
    "lambda_1": "λ = 1",
    "simclr": "SimCLR",
    "simclr_weights": "SimCLR, equal shares",
    "simclr_duplicates": "SimCLR, copies",
    "barlow_twins": "Barlow Twins",
    "vicreg": "VICReg",
    "untrained": "untrained encoder",
    "pixels": "raw pixels, 16×16",
}  # fmt: skip

Row = dict[str, str]
Rows = dict[str, dict[str, Row]]


def read(path: Path) -> Rows:
    """Variant → metric → row, in the order of the file."""
    found: Rows = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] in TITLES:
                found.setdefault(row["variant"], {})[row["metric"]] = row
    return found


def percent(share: float, sign: str = "") -> str:
    """With a real minus."""
    return f"{100 * share:{sign}.1f}".replace("-", "−")


def with_interval(mean: float, interval: tuple[float, float] | None) -> str:
    """A difference, signed; one seed has no interval."""
    around = f" [{percent(interval[0], '+')}, {percent(interval[1], '+')}]" if interval else ""
    return percent(mean, "+") + around


def level(row: Row) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {percent(float(row['sd']))}" if row["variant"] != "pixels" and row["sd"] else ""
    return percent(float(row["mean"])) + deviation


def difference(row: Row) -> str:
    """From the first variant, and its interval; nothing where there is none."""
    if not row["difference"]:
        return "–"
    low, high = row["difference_low"], row["difference_high"]
    return with_interval(float(row["difference"]), (float(low), float(high)) if low else None)


def grid(names: Iterable[str], metrics: list[str], cell: Callable[[str, str], str], note: str = "") -> Grid:
    """A table of `cell(variant, metric)`."""
    rows = [(called(name), *(cell(name, metric) for metric in metrics)) for name in names]
    return Grid("", ("", *(TITLES[metric] for metric in metrics)), rows, note, left=1)


def called(name: str) -> str:
    """What the page calls a variant."""
    return NAMES.get(name, f"`{name}`")


def levels(rows: Rows, titles: Iterable[str], note: str = "") -> tuple[str, Grid]:
    """What stands above, and means and deviations of all variants."""
    first = rows[next(iter(rows))]
    seeds = {name: int(next(iter(found.values()))["seeds"]) for name, found in rows.items()}
    shown = grid(rows, [m for m in titles if m in first], lambda name, metric: level(rows[name][metric]), note)
    if set(seeds.values()) == {1}:
        return "Accuracy in per cent of **one seed**, which has no deviation and no interval:", shown
    if len(set(seeds.values())) == 1:
        return f"Accuracy in per cent, mean ± standard deviation over {seeds.popitem()[1]} seeds:", shown
    counted = [(f"{cells[0]} ({n})", *cells[1:]) for cells, n in zip(shown.rows, seeds.values(), strict=True)]
    above = "Accuracy in per cent, mean ± standard deviation over as many seeds as stand in brackets:"
    return above, replace(shown, rows=counted)


def differences(rows: Rows) -> Grid:
    """Of all but the first variant from the first."""
    first, *others = rows
    metrics = [metric for metric in METRICS if metric in rows[first]]
    return grid(others, metrics, lambda name, metric: difference(rows[name][metric]))


def write(name: str, study: Path) -> None:
    """Copies the numbers, and writes page and picture."""
    for kind in ("runs", "results"):
        shutil.copyfile(study / f"{kind}.csv", RESULTS / f"{name}_{kind}.csv")
    shutil.copyfile(study / "results.png", ROOT / "docs" / f"results_{name}.png")
    rows = read(RESULTS / f"{name}_results.csv")
    compared = "the row above" if name in STEPWISE else called(next(iter(rows)))
    of_one = all(row["seeds"] == "1" for found in rows.values() for row in found.values())
    intervals = "" if of_one else ", with 95 % t-intervals that are not corrected for the number of comparisons"
    note = f"Differences from {compared} on the same seeds{intervals}:"
    above, shown = levels(rows, METRICS, note)
    tables = [shown, steps(name) if name in STEPWISE else differences(rows)]
    if name in AGAINST:
        tables[-1] = replace(tables[-1], note="Differences between other rows, likewise:")
        tables.append(pairs(name))
    place(name, above, tables)
    if name == "brain":
        above, shown = levels(rows, OFFICIAL)
        place("official", above, [shown])


def runs_of(study: str) -> dict[str, dict[int, Row]]:
    """Variant → seed → the numbers of a run."""
    runs: dict[str, dict[int, Row]] = {}
    with (RESULTS / f"{study}_runs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            runs.setdefault(row["variant"], {})[int(row["seed"])] = row
    return runs


def over_seeds(studies: list[dict[str, dict[int, Row]]], name: str, reference: str, metric: str) -> str:
    """Mean difference of two variants, and its interval over seeds; a dash where no seed has both.

    Runs of one seed start from the same weights, whatever they train on, and cannot count as independent: they
    are averaged first.
    """

    def by_seed(variant: str) -> dict[int, float]:
        seeds = set.intersection(*({*runs.get(variant, {})} for runs in studies))
        return {seed: fmean(float(runs[variant][seed][metric]) for runs in studies) for seed in seeds}

    found = paired(by_seed(name), by_seed(reference))
    return with_interval(found.mean, found.interval) if found else "–"


def pooled() -> Grid:
    """Differences from the first variant over all `POOLED` studies together."""
    studies = [runs_of(name) for name in POOLED]
    first, *others = studies[0]
    metrics = [metric for metric in METRICS if all(metric in runs[first][0] for runs in studies)]
    return grid(others, metrics, lambda name, metric: over_seeds(studies, name, first, metric))


def steps(study: str) -> Grid:
    """Differences of each variant from the one above it."""
    runs = runs_of(study)
    first, *others = runs
    above = dict(zip(others, runs, strict=False))
    metrics = [metric for metric in METRICS if metric in runs[first][0]]
    return grid(above, metrics, lambda name, metric: over_seeds([runs], name, above[name], metric))


def pairs(study: str) -> Grid:
    """Differences of the pairs of `AGAINST`."""
    runs = runs_of(study)
    first = next(iter(runs.values()))
    metrics = [metric for metric in METRICS if metric in next(iter(first.values()))]
    rows = [
        (f"{called(name)} − {called(reference)}", *(over_seeds([runs], name, reference, metric) for metric in metrics))
        for name, reference in AGAINST[study]
    ]
    return Grid("", ("", *(TITLES[metric] for metric in metrics)), rows, left=1)


def place(name: str, summary: str, grids: list[Grid]) -> None:
    """Puts tables into the page."""
    before = PAGE.read_text(encoding="utf-8")
    write_text(PAGE, page_with(summary, grids, f"benchmarks/study.py {name}", before, PAGE))


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*STUDIES, []])
    parser.add_argument("--studies", type=Path, default=ROOT / "runs" / "study")
    given = parser.parse_args()
    for name in given.names or [name for name in STUDIES if (given.studies / name / "results.csv").is_file()]:
        write(name, given.studies / name)
    if all((RESULTS / f"{name}_runs.csv").is_file() for name in POOLED):
        place("pooled", POOLED_SUMMARY, [pooled()])


if __name__ == "__main__":
    main()
