"""HTML from nested calls. Every string is escaped unless it is markup already, so that no file name can become any."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence

from gmssl.explaining.pictures import Picture

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_VOID = {"img", "source", "meta", "br"}


class Html(str):
    """Markup."""

    __slots__ = ()


def escaped(text: object) -> Html:
    """Text as markup; characters that HTML forbids become U+FFFD."""
    if isinstance(text, Html):
        return text
    return Html(html.escape(_CONTROL.sub("\ufffd", str(text)), quote=True))


def join(pieces: Iterable[object], between: str = "") -> Html:
    """Pieces one after the other."""
    return Html(escaped(between).join(escaped(piece) for piece in pieces))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; a trailing underscore of an attribute's name is dropped (`class_`), other ones become hyphens."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_CONTROL.sub("", str(value)), quote=True)}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{join(children)}</{name}>")


def paragraph(*children: object) -> Html:
    """A paragraph."""
    return tag("p", *children)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], caption: str, left: int = 1) -> Html:
    """A table whose first `left` columns are flush left and whose others are numbers."""

    def cells(name: str, row: Sequence[object]) -> Html:
        scope = {"scope": "col"} if name == "th" else {}
        return join(
            tag(name, cell, **scope) if place < left else tag(name, cell, class_="number", **scope)
            for place, cell in enumerate(row)
        )

    body = join(tag("tr", cells("td", row)) for row in rows)
    inner = tag("caption", caption), tag("thead", tag("tr", cells("th", headings))), tag("tbody", body)
    return tag("div", tag("table", *inner), class_="wide", tabindex="0", role="region", aria_label=caption)


def figure(picture: Picture, alt: str, caption: object) -> Html:
    """A picture that follows the page's colours, its bytes inside the page."""
    width, height = picture.size
    dark = tag("source", srcset=_data(picture.dark), media="(prefers-color-scheme: dark)")
    image = tag("img", src=_data(picture.light), alt=alt, width=width, height=height)
    return tag("figure", tag("picture", dark, image), tag("figcaption", caption))


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"
