"""The page of a store: what was found, used and left out, with pictures to look at."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmssl.errors import DataError
from gmssl.parts.data.store import StoreImages
from gmssl.system import pages

THUMBNAILS, SIDE = 12, 112
"""Pictures shown of each dataset, and their longer side in pixels."""
SHOWN = 20
"""Sizes and faults named of each dataset."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    Attributes:
        png: its file.
        width, height: in pixels.
        name: of the image in the store.
    """

    png: bytes
    width: int
    height: int
    name: str


def to_html(facts: Sequence[dict[str, Any]], folder: Path, files: Sequence[str], bits: int) -> str:
    """The page of a store.

    Args:
        facts: what became of each source, as in `report.json`.
        folder, files: the store; its images stand in the order of the sources.
        bits: of a grey value.
    """
    images, start = StoreImages(folder, tuple(files), None, bits), 0
    sections = []
    for source in facts:
        sections.append({**source, "thumbnails": _thumbnails(images, start, source["images"]), "bars": _bars(source)})
        start += source["images"]
    made = pages.environment("gmssl.corpus.page")
    totals = {name: sum(source[name] for source in facts) for name in ("images", "acquisitions", "patients")}
    faults = sum(len(source["faults"]) for source in facts)
    names = {"sources": sections, "totals": totals, "faults": faults, "shown": SHOWN}
    return pages.render(made, "store.html.jinja", names)


def _thumbnails(images: StoreImages, start: int, count: int) -> list[Thumbnail]:
    """Pictures at equal distances among those of a source."""
    chosen = sorted({start + (2 * k + 1) * count // (2 * THUMBNAILS) for k in range(THUMBNAILS)}) if count else []
    found = []
    for index in chosen:
        try:
            image = images.load(index, 3)
        except DataError:  # written a moment ago, so the disk is at fault; training will say so
            continue
        image.thumbnail((SIDE, SIDE))
        file = io.BytesIO()
        image.save(file, "PNG")
        found.append(Thumbnail(file.getvalue(), image.width, image.height, images.records[index].name))
    return found


def _bars(source: dict[str, Any]) -> list[float]:
    """Heights in 0..1 of the histogram of grey values; black, mostly background, is cut at the next highest."""
    greys: list[int] = source["greys"]
    top = max([*greys[1:], 1])
    return [min(1.0, count / top) for count in greys]
