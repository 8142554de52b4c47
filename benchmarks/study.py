"""Tables of docs/results.md, from finished studies: `python benchmarks/study.py [brain] [chest] [union] [ladder] …`.

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
from pathlib import Path

from gmssl.benchmarking.grid import Grid
from gmssl.benchmarking.markdown import page_with
from gmssl.formats.text import write_text
from gmssl.sweeping.statistics import summarise

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs" / "results.md", ROOT / "benchmarks" / "results" / "study"
STUDIES = ("brain", "chest", "union", "ladder", "ablations")
POOLED = ("brain", "chest", "union")  # the same methods on other images
NINE = "Differences in points, with 95 % t-intervals:"
METRICS = {
    "brain_knn": "kNN, brain",
    "brain_linear": "linear, brain",
    "chest_knn": "kNN, chest",
    "chest_linear": "linear, chest",
}
NAMES = {
    "lvm_med_corrected": "LVM-Med `corrected`",
    "full": "LVM-Med `corrected`",
    "lvm_med_as_published": "LVM-Med `as_published`",
    "lvm_med_as_released": "LVM-Med `as_released`",
    "no_second_order": "without edges (`lap`)",
    "softmax": "relaxed, rows free (`row_softmax`)",
    "softmax_128_nodes": "the same, 128 nodes",
    "simclr": "SimCLR",
    "barlow_twins": "Barlow Twins",
    "vicreg": "VICReg",
    "untrained": "untrained encoder",
    "pixels": "raw pixels, 16×16",
}  # fmt: skip

Row = dict[str, str]


def read(path: Path) -> dict[str, dict[str, Row]]:
    """Variant → metric → row, in the order of the file."""
    found: dict[str, dict[str, Row]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] in METRICS:
                found.setdefault(row["variant"], {})[row["metric"]] = row
    return found


def percent(share: float, sign: str = "") -> str:
    """With a real minus."""
    return f"{100 * share:{sign}.1f}".replace("-", "−")


def with_interval(mean: float, low: float, high: float) -> str:
    """A difference, signed."""
    return f"{percent(mean, '+')} [{percent(low, '+')}, {percent(high, '+')}]"


def level(row: Row) -> str:
    """Mean and standard deviation."""
    deviation = f" ± {percent(float(row['sd']))}" if row["variant"] != "pixels" else ""
    return percent(float(row["mean"])) + deviation


def difference(row: Row) -> str:
    """From the first variant, and its interval; nothing where there is none."""
    if not row["difference"]:
        return "–"
    return with_interval(*(float(row[name]) for name in ("difference", "difference_low", "difference_high")))


def grid(names: Iterable[str], metrics: list[str], cell: Callable[[str, str], str], note: str = "") -> Grid:
    """A table of `cell(variant, metric)`."""
    rows = [(called(name), *(cell(name, metric) for metric in metrics)) for name in names]
    return Grid("", ("", *(METRICS[metric] for metric in metrics)), rows, note, left=1)


def called(name: str) -> str:
    """What the page calls a variant."""
    return NAMES.get(name, f"`{name}`")


def tables(rows: dict[str, dict[str, Row]]) -> tuple[str, list[Grid]]:
    """What stands above: levels of all, then differences of all but the first."""
    first, *others = rows
    metrics = [metric for metric in METRICS if metric in rows[first]]
    seeds = max(int(row["seeds"]) for row in rows[first].values())
    note = (
        f"Differences from {called(first)} on the same seeds, with 95 % t-intervals that are not corrected for the "
        "number of comparisons:"
    )
    levels = grid(rows, metrics, lambda name, metric: level(rows[name][metric]), note)
    differences = grid(others, metrics, lambda name, metric: difference(rows[name][metric]))
    return f"Accuracy in per cent, mean ± standard deviation over {seeds} seed(s):", [levels, differences]


def write(name: str, study: Path) -> None:
    """Copies the numbers, and writes page and picture."""
    for kind in ("runs", "results"):
        shutil.copyfile(study / f"{kind}.csv", RESULTS / f"{name}_{kind}.csv")
    shutil.copyfile(study / "results.png", ROOT / "docs" / f"results_{name}.png")
    place(name, *tables(read(RESULTS / f"{name}_results.csv")))


def pooled() -> Grid:
    """Differences from the first variant over the runs of all `POOLED` studies together."""
    runs: dict[str, dict[tuple[str, str], Row]] = {}
    for study in POOLED:
        with (RESULTS / f"{study}_runs.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                runs.setdefault(row["variant"], {})[study, row["seed"]] = row
    first, *others = runs

    def cell(name: str, metric: str) -> str:
        pairs = [(runs[name][key], runs[first][key]) for key in runs[first] if key in runs[name]]
        found = summarise({at: float(a[metric]) - float(b[metric]) for at, (a, b) in enumerate(pairs)})
        assert found is not None
        assert found.interval is not None
        return with_interval(found.mean, *found.interval)

    return grid(others, list(METRICS), cell)


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
        place("pooled", NINE, [pooled()])


if __name__ == "__main__":
    main()
