"""What the benchmarks of `gmssl bench` share: options that are checked beforehand, and what is written afterwards."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from gmssl.benchmarking.grid import Grid

Out: TypeAlias = Annotated[Path | None, typer.Option(metavar="FILE", help="Write all numbers as JSON.")]
Markdown: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the tables as Markdown; in a file that exists, between its marks."),
]


@dataclass(frozen=True)
class Files:
    """Where results go, and the page that gets the tables, if it exists."""

    out: Path | None
    plot: Path | None
    markdown: Path | None
    page: str | None


def checked(out: Path | None, plot: Path | None, markdown: Path | None, author: str) -> Files:
    """Wrong paths are told before minutes of measuring.

    Raises:
        FormatError: a path that cannot be written, a picture that is no PNG, or a page without marks.
    """
    from gmssl.errors import FormatError

    for option, path in (("--out", out), ("--plot", plot), ("--markdown", markdown)):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise FormatError(f"{option} {path} cannot be written; name a file in a folder that exists.")
    if plot is not None and plot.suffix.lower() != ".png":
        raise FormatError(f"--plot {plot} would be a PNG file; let its name end with .png.")
    if markdown is None or not markdown.exists():
        return Files(out, plot, markdown, None)

    from gmssl.benchmarking.markdown import refuse_without_marks
    from gmssl.formats.text import lines_of

    page = "\n".join(lines_of(markdown))
    refuse_without_marks(page, author, markdown)
    return Files(out, plot, markdown, page)


def keep_libraries_on_one_thread() -> None:
    """BLAS libraries read this when they are loaded, after this function."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def command_of(what: str, given: Mapping[str, Sequence[object] | int | None], seed: int, quick: bool) -> str:
    """The command that repeats the measurement."""
    words = ["gmssl", "bench", what]
    for option, values in given.items():
        for value in values if isinstance(values, Sequence) else [] if values is None else [values]:
            words += [option, str(value)]
    words += ["--seed", str(seed)] if seed else []
    return shlex.join([*words, *(["--quick"] if quick else [])])


def write(files: Files, report: object, author: str, summary: str, grids: Sequence[Grid]) -> None:
    """The JSON and the page; the picture is the caller's."""
    import json
    from dataclasses import asdict

    from gmssl.formats.text import write_text

    if files.out is not None:
        write_text(
            files.out,
            json.dumps(asdict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n",  # type: ignore[call-overload]
        )
    if files.markdown is not None:
        from gmssl.benchmarking.markdown import page_with

        write_text(files.markdown, page_with(summary, grids, author, files.page, files.markdown))
