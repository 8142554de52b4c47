"""What a store holds, as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gmssl.commands.common.options import show
from gmssl.system.grid import Grid

if TYPE_CHECKING:
    from gmssl.corpus.finish import Report


def show_store(folder: Path, as_json: bool) -> None:
    """Print the images, patients and volumes of each dataset and modality of a store.

    Raises:
        DataError: the folder is no store, or an unfinished one.
    """
    from gmssl.corpus.finish import read_report
    from gmssl.parts.data.store import read_header
    from gmssl.system.json_text import json_text

    header, facts = read_header(folder), read_report(folder)
    if as_json:
        told: dict[str, Any] = {key: header[key] for key in ("version", "images", "salt", "files", "corpus")}
        keys = ("images", "patients", "volumes", "modalities")
        told["datasets"] = {source["dataset"]: {key: source[key] for key in keys} for source in facts}
        typer.echo(json_text(told))
        return
    rows = [
        (
            source["dataset"],
            modality,
            *(f"{held[key]:,}" if held[key] else "–" for key in ("images", "patients", "volumes")),
        )
        for source in facts
        for modality, held in source["modalities"].items()
    ]
    show([Grid("", ("dataset", "modality", "images", "patients", "volumes"), rows)], f"{header['images']:,} images")


def sources_grid(outcomes: Sequence[Report]) -> Grid:
    """One line for each source: what was found, and what became of it."""
    names = ("dataset", "modality", "acquisitions", "patients", "images", "empty", "left out", "broken")
    return Grid("", names, [_row(facts) for facts in outcomes], note="Reasons stand in report.html of the store.")


def _row(facts: Report) -> tuple[str, ...]:
    numbers = (
        facts["acquisitions"],
        facts["patients"] or "–",
        facts["images"],
        facts["empty"],
        sum(facts["left_out"].values()) + facts["excluded"],
        len(facts["faults"]),
    )
    modalities = ", ".join(facts["modalities"]) or ("no such folder" if facts["missing"] else "–")
    return (facts["dataset"], modalities, *map(str, numbers))
