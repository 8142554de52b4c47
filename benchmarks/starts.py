"""Tables of docs/results.md on what a start is worth, from reports: `python benchmarks/starts.py`.

make study-starts judge-starts judge-starts-whole && python benchmarks/starts.py
        reads the folders report and report_whole of runs/study/starts, those that are there, and writes the page, its
        pictures and benchmarks/results/study/starts_*.csv
python benchmarks/starts.py --folder FOLDER
        of reports that lie elsewhere
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from study import PAGE, RESULTS, ROOT, with_interval

from gmssl.problem.formats.text import write_text
from gmssl.system.grid import Grid, page_with

CLASSES = {
    "brain": "brain MRI, accuracy",
    "chest": "chest X-rays, balanced accuracy",
    "ultrasound": "breast ultrasound, balanced accuracy",
}
WHOLE = {f"{name}_tuned": title for name, title in CLASSES.items()}
TENTH = "_tenth"


@dataclass(frozen=True)
class Table:
    """Two tables of the page: scores, and differences from the start.

    Attributes:
        report: name of the folder with the report.
        author: what the block on the page is marked with.
        above: what is said of the scores.
        labels: what is said of the labels.
        titles: benchmark → head of its column.
    """

    report: str
    author: str
    above: str
    labels: str
    titles: dict[str, str]


TABLES = (
    Table(
        "report", "benchmarks/starts.py", "In per cent, mean ± standard deviation over three seeds; with all labels:",
        "all labels", {**CLASSES, "nuclei": "nuclei, Dice"},
    ),
    Table(
        "report", "benchmarks/starts.py tenth", "The same with a tenth of the labels:", "a tenth of the labels",
        {name + TENTH: title for name, title in CLASSES.items()},
    ),
    Table(
        "report_whole", "benchmarks/starts.py whole", "Networks that are trained whole, with all labels:", "all labels",
        {**WHOLE, "bccd": "blood cells, AP50"},
    ),
    Table(
        "report_whole", "benchmarks/starts.py whole tenth", "Trained whole, with a tenth of the labels:",
        "a tenth of the labels", {name + TENTH: title for name, title in WHOLE.items()},
    ),
)  # fmt: skip

Row = dict[str, str]
Scores = dict[tuple[str, ...], Row]
Differences = dict[tuple[str, ...], Row]


def rows_of(path: Path) -> list[Row]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scores_of(path: Path) -> Scores:
    """(encoder, benchmark) → its main score over all cases."""
    shown = [row for row in rows_of(path) if row["shown"] == "True" and row["cases"] == "all" and not row["site"]]
    return {(row["encoder"], row["benchmark"]): row for row in shown}


def differences_of(path: Path) -> Differences:
    """(encoder, other, benchmark) → the former minus the latter, for both orders."""
    found: Differences = {}
    for row in rows_of(path):
        found[row["encoder"], row["minus"], row["benchmark"]] = row
        turned = row | {"mean": turn(row["mean"])}
        for over in ("seeds", "patients"):
            turned |= {f"{over}_low": turn(row[f"{over}_high"]), f"{over}_high": turn(row[f"{over}_low"])}
        found[row["minus"], row["encoder"], row["benchmark"]] = turned
    return found


def turn(number: str) -> str:
    """The negative of a number that may be missing."""
    return str(-float(number)) if number else ""


def level(row: Row) -> str:
    """Mean ± deviation in per cent."""
    return f"{100 * float(row['mean']):.1f} ± {100 * float(row['deviation']):.1f}"


def gain(row: Row) -> str:
    """A difference in points and its interval over seeds; bold where that over patients excludes 0, too."""
    low, high = row["seeds_low"], row["seeds_high"]
    text = with_interval(float(row["mean"]), (float(low), float(high)) if low else None)
    return f"**{text}**" if row["told_apart"] not in ("0", "") else text


def start_of(encoder: str) -> str | None:
    """What an encoder began with, as tables call it; None for a start itself."""
    _, found, start = encoder.partition(" from ")
    return start if found else None


def tables(scores: Scores, differences: Differences, table: Table) -> list[Grid]:
    """Scores, and differences from the start."""
    encoders = list(dict.fromkeys(encoder for encoder, _ in scores))
    shown = [name for name in table.titles if any((encoder, name) in scores for encoder in encoders)]
    heads = ("", *(table.titles[name] for name in shown))

    def cells(row: dict[tuple[str, ...], Row], *key: str, show: Callable[[Row], str]) -> list[str]:
        return [show(row[*key, name]) if (*key, name) in row else "" for name in shown]

    levels = [(encoder, *cells(scores, encoder, show=level)) for encoder in encoders]
    gains = []
    for encoder in encoders:
        start = start_of(encoder)
        if start is not None:
            gains.append((encoder, *cells(differences, encoder, start, show=gain)))
    note = f"What pre-training added to its start, {table.labels}, in points:"
    return [Grid("", heads, levels, note, left=1), Grid("", heads, gains, left=1)]


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "study" / "starts")
    given = parser.parse_args()
    for report in dict.fromkeys(table.report for table in TABLES):
        source = given.folder / report
        if not source.is_dir():
            print(f"{source} is not there; the page keeps what it has")
            continue
        name = report.replace("report", "starts")
        for kind in ("scores", "differences"):
            shutil.copyfile(source / f"{kind}.csv", RESULTS / f"{name}_{kind}.csv")
        shutil.copyfile(source / "dots.png", ROOT / "docs" / f"results_{name}.png")
        scores, differences = (
            scores_of(RESULTS / f"{name}_scores.csv"),
            differences_of(RESULTS / f"{name}_differences.csv"),
        )
        for table in TABLES:
            if table.report == report:
                page = PAGE.read_text(encoding="utf-8")
                found = tables(scores, differences, table)
                write_text(PAGE, page_with(table.above, found, table.author, page, PAGE))


if __name__ == "__main__":
    main()
