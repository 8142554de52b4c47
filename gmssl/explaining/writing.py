"""`explain`: from a run folder to a folder with the page and its pictures, all of it or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from gmssl.errors import TrainingError
from gmssl.explaining.page import to_html
from gmssl.explaining.pictures import draw_all
from gmssl.explaining.report import Effort, measure
from gmssl.explaining.run import open_run
from gmssl.explaining.sample import Fact, choose, list_images

PAGE = "index.html"


def explain(
    run: Path,
    out: Path | None = None,
    data: Path | None = None,
    group: Fact | None = None,
    images: int = 512,
    effort: Effort | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a report on a finished run.

    Args:
        run: run folder.
        out: folder of the report; default: `explain` in the run folder.
        data: folder of images or CSV manifest; default: the run's own images.
        group: what images are grouped by; default: see `choose`.
        images: how many to look at.
        effort: how often, and how much of it is shown.
        tell: called with the numbers of batches that are done and to do.

    Returns:
        The page.

    Raises:
        GmsslError: a run, data or output folder that will not do; nothing is written then.
    """
    out = run / "explain" if out is None else out
    _refuse_file(out)
    opened = open_run(run)
    effort = effort or Effort()
    sample = choose(list_images(opened.recipe, data), opened.recipe, images, effort.seed, group)
    report = measure(opened, sample, effort, tell)
    pictures = draw_all(report)
    files = {name: content for picture in pictures.values() for name, content in picture.files.items()}
    files[PAGE] = to_html(report, pictures).encode("utf-8")
    _write(out, files)
    return out / PAGE


def _refuse_file(out: Path) -> None:
    for place in (out, *out.parents):
        if place.exists() and not place.is_dir():
            raise TrainingError(f"--out {out}: {place} is a file; name a folder.")


def _write(out: Path, files: dict[str, bytes]) -> None:
    """First beside their place; then a rename each, the page last, so that no page lacks its pictures."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        beside = out / f".new.{os.getpid()}"
        beside.mkdir()
        try:
            for name, content in files.items():
                (beside / name).write_bytes(content)
            if (out / PAGE).is_file():  # an earlier report may have shown more pairs
                for stale in out.glob("pair-*.png"):
                    stale.unlink()
            for name in files:
                (beside / name).replace(out / name)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise TrainingError(f"the report cannot be written to {out} ({error.strerror}); name another --out.") from None
