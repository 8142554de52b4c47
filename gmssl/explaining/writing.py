"""`explain`: from a run folder to a folder with the page and its pictures, all of it or nothing."""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
from pathlib import Path

import torch

from gmssl.errors import TrainingError
from gmssl.evaluation.progress import Stages
from gmssl.explaining.collection import uncollected
from gmssl.explaining.page.contents import command_of, gather
from gmssl.explaining.page.rendering import to_html
from gmssl.explaining.pictures import draw_all
from gmssl.explaining.report import Effort, Report, measure
from gmssl.explaining.run import open_run
from gmssl.explaining.sample import Fact, choose, images_of_a_graph, list_images
from gmssl.system.files import alone_in

PAGE = "index.html"
MISMATCHES = "mismatches.csv"
IMAGES = 384
"""That are looked at unless a number of graphs is given."""
_OURS = re.compile(r"(accuracy|curves|edges|groups|matched|pair-\d+|scatter|solver|terms)(-dark)?\.png|mismatches\.csv")


def explain(
    run: Path,
    out: Path | None = None,
    data: Path | None = None,
    group: Fact | None = None,
    graphs: int | None = None,
    effort: Effort | None = None,
    stages: Stages | None = None,
) -> Path:
    """Write a report on a finished run.

    Args:
        run: run folder.
        out: folder of the report; default: `explain` in the run folder.
        data: folder of images or CSV manifest; default: the run's own images.
        group: what images are grouped by; default: see `choose`.
        graphs: left graphs of a pass; default: those of `IMAGES` images.
        effort: how often, and how much of it is shown.
        stages: told of every stage; default: nobody is.

    Returns:
        The page.

    Raises:
        GmsslError: a run, data or output folder that will not do; nothing is written then.
    """
    named, out = out, run / "explain" if out is None else out
    _refuse_file(out)
    stages, effort = stages or Stages(), effort or Effort()
    with stages.stage("opening", 1, "run"), uncollected():
        opened = open_run(run)
        wanted = IMAGES if graphs is None else graphs * images_of_a_graph(opened.recipe)
        sample = choose(list_images(opened.recipe, data), opened.recipe, wanted, effort.seed, group)
    report = measure(opened, sample, effort, stages)
    with uncollected():
        pictures = draw_all(report, stages)
    files = {name: content for picture in pictures.values() for name, content in picture.files.items()}
    if not report.learnt_truth:  # else there is no energy of a truth
        files[MISMATCHES] = mismatches(report).encode("utf-8", "replace")
    command = command_of(run, effort, data, group, graphs, named)
    files[PAGE] = to_html(gather(report, pictures, command)).encode("utf-8", "replace")
    _write(out, files)
    return out / PAGE


def _refuse_file(out: Path) -> None:
    for place in (out, *out.parents):
        if place.exists() and not place.is_dir():
            raise TrainingError(f"--out {out}: {place} is a file; name a folder.")


def _write(out: Path, files: dict[str, bytes]) -> None:
    """First beside their place; then a rename each, the page last, so that no page lacks its pictures.

    Of two processes that write to one folder, the one that ends last leaves its report, and nothing of the other's.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=out, prefix=".new."))
        try:
            for name, content in files.items():
                (beside / name).write_bytes(content)
            with alone_in(out):
                if (out / PAGE).is_file():  # an earlier report may have shown more
                    for stale in out.iterdir():
                        if _OURS.fullmatch(stale.name) and stale.name not in files:
                            stale.unlink()
                for name in files:
                    (beside / name).replace(out / name)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise TrainingError(f"the report cannot be written to {out} ({error.strerror}); name another --out.") from None


def mismatches(report: Report) -> str:
    """CSV of every wrong match: where, which images, and its share of each term, of vertices, of edges, of all."""
    rows = report.passes.rows.select(~report.passes.rows.right)
    edge = report.edge_terms
    sums = torch.stack([rows.shares[:, ~edge].sum(1), rows.shares[:, edge].sum(1), rows.shares.sum(1)], 1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["pass", "problem", "image", "matched_with", *report.terms, "vertex", "edge", "all"])
    records = report.sample.images.records
    places = torch.stack([rows.pass_, rows.problem, rows.image, rows.partner], 1).tolist()
    numbers = torch.cat([rows.shares, sums], 1).tolist()
    for (pass_, problem, *nodes), shares in zip(places, numbers, strict=True):
        names = ["" if node < 0 else records[node].name for node in nodes]
        writer.writerow([pass_, problem, *names, *(f"{share:.6g}" for share in shares)])
    return text.getvalue()
