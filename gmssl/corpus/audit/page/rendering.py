"""From what was found to HTML: templates that escape what they print."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from gmssl.corpus.audit.findings import EXACT, NEAR, Audit, Comparison, Pair
from gmssl.corpus.audit.sides import Side
from gmssl.errors import DataError

if TYPE_CHECKING:
    from jinja2 import Environment

PIXELS = 192
"""Longest side of a picture of the page."""
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Image:
    """An image of the page: the address that holds its picture, and what is known of it."""

    address: str
    name: str
    dataset: str | None


@dataclass(frozen=True)
class Shown:
    """A pair of the page."""

    pair: Pair
    stored: Image
    test: Image


def page_of(audit: Audit, shown: int, excluded: int, command: str) -> str:
    """The whole document; characters that HTML forbids become U+FFFD.

    Args:
        audit: what was found.
        shown: how many pairs of each kind and test set.
        excluded: number of images on the list.
        command: what it was made by.
    """
    from markupsafe import Markup

    style = Markup((files("gmssl.corpus.audit.page") / "templates" / "style.css").read_text(encoding="utf-8"))
    pairs = [
        {kind: _shown(audit, comparison, kind, shown) for kind in (EXACT, NEAR)} for comparison in audit.comparisons
    ]
    page = environment().get_template("page.html.jinja")
    return _FORBIDDEN.sub(
        "\ufffd", page.render(audit=audit, pairs=pairs, excluded=excluded, command=command, style=style)
    )


def environment() -> Environment:
    """The templates; a name that there is not is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("gmssl.corpus.audit.page")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _shown(audit: Audit, comparison: Comparison, kind: str, most: int) -> list[Shown]:
    """The first pairs of a kind: of near ones, in even steps from the surest to the least sure."""
    pairs = comparison.of_kind(kind)
    if kind == NEAR and len(pairs) > most > 1:
        pairs = tuple(pairs[round(k * (len(pairs) - 1) / (most - 1))] for k in range(most))
    sides = audit.store, comparison.test
    return [Shown(pair, _image(sides[0], pair.stored), _image(sides[1], pair.test)) for pair in pairs[:most]]


def _image(side: Side, index: int) -> Image:
    return Image(_address(side, index), side.images.records[index].name, side.dataset.of(index))


def _address(side: Side, index: int) -> str:
    try:
        image = side.images.load(index, 3)
    except DataError:  # in grey it could be read
        return ""
    image.thumbnail((PIXELS, PIXELS))
    text = io.BytesIO()
    image.save(text, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{b64encode(text.getvalue()).decode('ascii')}"
