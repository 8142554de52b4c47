"""JSON that every reader takes: the standard has no NaN and no infinity, which Python would write as bare words."""

from __future__ import annotations

import json
from math import isfinite


def json_text(value: object, indent: int | None = 2) -> str:
    """The JSON of mappings, lists, tuples, texts and numbers; numbers that are not finite become null.

    Null, and no refusal: what is written here may have taken hours to measure.

    Args:
        value: what is written; keys are texts.
        indent: spaces of a level, or None for one line.

    Raises:
        TypeError: it holds something else.
    """
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
