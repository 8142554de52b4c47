"""Pages in HTML: templates that escape what they print, one style, and nothing that a browser fetches or runs."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

STYLE = files("gmssl.system.pages") / "style.css"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\n]+")
"""White space of HTML, but for the forbidden; other blanks of a name stay."""


def environment(package: str, *filters: Callable[..., object]) -> Environment:
    """The templates of a package, and the filters that they may use, `png` and `one_line` among them.

    A name that there is not is an error, wherever it stands.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {function.__name__: function for function in (*filters, png, one_line)}
    return made


def render(environment: Environment, template: str, names: Mapping[str, object]) -> str:
    """The whole document, in which `style` is the common style; characters that HTML forbids become U+FFFD."""
    from markupsafe import Markup

    style = Markup(STYLE.read_text(encoding="utf-8"))
    return _FORBIDDEN.sub("\ufffd", environment.get_template(template).render(names, style=style))


def png(image: bytes) -> str:
    """A PNG file as an address that holds it."""
    return f"data:image/png;base64,{b64encode(image).decode('ascii')}"


def one_line(text: str) -> Markup:
    """Text without line breaks and indents, escaped, for attributes."""
    from markupsafe import Markup, escape

    return Markup(_SPACE.sub(" ", escape(text)).strip(" "))
