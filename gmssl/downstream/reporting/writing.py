"""From files of results to a folder with tables, figures and a page: all of it, or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gmssl.downstream.reporting import records
from gmssl.downstream.reporting.pictures import Picture, draw_all, file_name
from gmssl.downstream.reporting.report import Report, Told, compare
from gmssl.downstream.reporting.table import Table
from gmssl.downstream.reporting.tables import all_tables
from gmssl.errors import DataError
from gmssl.system import pages

PAGE, MARKDOWN = "report.html", "report.md"


def report(
    files: Sequence[Path], out: Path, metrics: Sequence[str] = (), samples: int = 1000, told: Told | None = None
) -> Report:
    """Write a report.

    Args:
        files: that `gmssl evaluate --json` wrote, in any order.
        out: a folder that does not exist, or is empty.
        metrics: see `gmssl.downstream.reporting.judged.read_all`.
        samples: bootstrap samples of patients for paired differences; 0 for none.
        told: told what is being done.

    Raises:
        DataError: files that hold no results or must not be compared, or a folder that is not empty. Nothing is written
            then.
    """
    refuse_used(out)
    tell = told or (lambda words: None)
    found = compare(files, metrics, samples, tell)
    tell("drawing")
    tables, pictures = all_tables(found), draw_all(found)
    contents: dict[str, bytes] = {name: text.encode("utf-8") for name, text in records.files(found).items()}
    for table in tables:
        contents[f"{file_name(table.name)}.tex"] = table.to_latex().encode("utf-8", "replace")
    for picture in pictures:
        contents |= picture.files
    contents[MARKDOWN] = to_markdown(tables, pictures).encode("utf-8", "replace")
    contents[PAGE] = to_html(found, tables, pictures).encode("utf-8", "replace")
    write_folder(out, contents)
    return found


def to_markdown(tables: Sequence[Table], pictures: Sequence[Picture]) -> str:
    """All tables and figures."""
    parts = ["# Downstream report", *(table.to_markdown() for table in tables)]
    parts += [f"### {one.title}\n\n![{one.title}]({one.name}.png)\n\n{one.caption}\n" for one in pictures]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def to_html(found: Report, tables: Sequence[Table], pictures: Sequence[Picture]) -> str:
    """The page, which holds its figures."""
    made = pages.environment("gmssl.downstream.reporting")
    names = {"report": found, "tables": tables, "pictures": pictures}
    return pages.render(made, "report.html.jinja", names)


def refuse_used(out: Path) -> None:
    """Refuse a folder that holds anything, and one that cannot be made.

    Raises:
        DataError: it holds something, or a file stands in its way.
    """
    for place in (out, *out.parents):
        if place.exists() and not place.is_dir():
            raise DataError(f"--out {out}: {place} is a file. Name a new folder.")
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"--out {out}: this folder is not empty. Name a new one; reports are never mixed.")


def write_folder(out: Path, contents: dict[str, bytes]) -> None:
    """Write files beside the folder, which then takes its name.

    Raises:
        DataError: the disk refuses, or another process was faster.
    """
    out = out.absolute()
    beside = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        try:
            for name, content in contents.items():
                (beside / name).write_bytes(content)
            with suppress(FileNotFoundError):
                out.rmdir()  # an empty one; some systems do not rename onto it
            os.rename(beside, out)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise DataError(f"the report cannot be written to {out} ({error.strerror}). Name another --out.") from None
