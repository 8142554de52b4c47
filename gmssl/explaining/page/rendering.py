"""From contents to HTML: the templates of this folder, which escape everything that they print."""

from __future__ import annotations

import functools
from dataclasses import fields
from typing import TYPE_CHECKING

from gmssl.explaining.page import wording
from gmssl.explaining.page.contents import Contents
from gmssl.system import pages

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE = "page.html.jinja"


def to_html(contents: Contents) -> str:
    """The whole document."""
    return pages.render(environment(), PAGE, {field.name: getattr(contents, field.name) for field in fields(contents)})


@functools.cache
def environment() -> Environment:
    """Templates, and the filters that they may use."""
    numbers = (wording.percent, wording.signed, wording.number, wording.interval, wording.whole, wording.counted)
    return pages.environment("gmssl.explaining.page", *numbers)
