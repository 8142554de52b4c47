"""From contents to HTML: the templates of this folder, which escape everything that they print."""

from __future__ import annotations

import functools
import re
from base64 import b64encode
from dataclasses import fields
from importlib.resources import files
from typing import TYPE_CHECKING

from gmssl.explaining.page import wording
from gmssl.explaining.page.contents import Contents

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

PAGE = "page.html.jinja"
TEMPLATES = files("gmssl.explaining.page") / "templates"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\n]+")
"""White space of HTML, but for the forbidden; other blanks of a name stay."""


def to_html(contents: Contents) -> str:
    """The whole document; characters that HTML forbids become U+FFFD."""
    from markupsafe import Markup

    named = {field.name: getattr(contents, field.name) for field in fields(contents)}
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return _FORBIDDEN.sub("\ufffd", environment().get_template(PAGE).render(named, style=style))


@functools.cache
def environment() -> Environment:
    """Templates, and the filters that they may use; a name that there is not is an error, wherever it stands."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("gmssl.explaining.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    numbers = (wording.percent, wording.signed, wording.number, wording.interval, wording.whole, wording.counted)
    made.filters |= {function.__name__: function for function in (*numbers, png, one_line)}
    return made


def png(image: bytes) -> str:
    """A PNG file as an address that holds it."""
    return f"data:image/png;base64,{b64encode(image).decode('ascii')}"


def one_line(text: str) -> Markup:
    """Text without line breaks and indents, escaped, for attributes."""
    from markupsafe import Markup, escape

    return Markup(_SPACE.sub(" ", escape(text)).strip(" "))
