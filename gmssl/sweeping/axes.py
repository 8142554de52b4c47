"""`--grid path=v1,v2`: one axis of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from gmssl.errors import RecipeError

RECIPE, VARIANT = "recipe", "variant"
"""Paths of the axes of several recipes and of variants; no recipe has such settings."""

_OPENING = {"[": "]", "{": "}"}


@dataclass(frozen=True)
class Axis:
    """A setting of the recipe and the values it takes, each as YAML text."""

    path: str
    values: tuple[str, ...]


def read_axes(options: Sequence[str]) -> tuple[Axis, ...]:
    """The axes of all `--grid` options, in their order.

    Raises:
        RecipeError: no option, one that is not of the form path=v1,v2, a value that is empty or no YAML, a value or a
            path that stands twice, or the path `seed`.
    """
    if not options:
        raise RecipeError(
            "no --grid is given; name a setting and its values, as in --grid train.batch=64,128, or several recipes."
        )
    axes = tuple(_axis(option) for option in options)
    paths = [axis.path for axis in axes]
    for path in paths:
        if paths.count(path) > 1:
            raise RecipeError(f"--grid {path} is given {paths.count(path)} times; put all its values into one --grid.")
        if path == "seed":
            raise RecipeError("--grid seed: seeds are no setting to compare; name them with --seeds.")
    return axes


def _axis(option: str) -> Axis:
    path, equals, text = option.partition("=")
    path = path.strip()
    if not equals or not all(key.strip() for key in path.split(".")):
        raise RecipeError(f"--grid {option!r} is not of the form path=v1,v2, as in train.batch=64,128; correct it.")
    if not text.strip():
        raise RecipeError(f"--grid {option!r} has no values; write them after the =, as in train.batch=64,128.")
    values = split_values(text, option)
    read: list[tuple[str, object]] = []
    for number, value in enumerate(values, start=1):
        if not value:
            raise RecipeError(
                f"--grid {option!r}: value {number} of {len(values)} is empty; remove a comma, or write null or ''."
            )
        try:
            found = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise RecipeError(f"--grid {option!r}: the value {value} is no valid YAML; correct or quote it.") from None
        for earlier, other in read:
            if type(other) is type(found) and other == found:  # 1 and true are equal for Python, not for a recipe
                shown = value if earlier == value else f"{earlier}, again as {value},"
                raise RecipeError(f"--grid {option!r}: the value {shown} stands twice; remove one.")
        read.append((value, found))
    return Axis(path, tuple(values))


def split_values(text: str, option: str) -> list[str]:
    """Split at the commas that stand in no quotes and no brackets; spaces around values are dropped.

    Quotes count where YAML counts them, at the beginning of a value: `it's` holds an apostrophe.

    Raises:
        RecipeError: a quote or a bracket that does not end.
    """
    values, start, position = [], 0, 0
    closing: list[str] = []
    at_start = True
    while position < len(text):
        mark = text[position]
        if mark in "'\"" and at_start:
            position = _end_of_quote(text, position, option)
            at_start = False
        elif mark in _OPENING and (at_start or closing):
            closing.append(_OPENING[mark])
            at_start = True
        elif closing and mark == closing[-1]:
            closing.pop()
            at_start = False
        elif mark == "," and not closing:
            values.append(text[start:position].strip())
            start, at_start = position + 1, True
        elif not mark.isspace():
            at_start = mark in ",:" and bool(closing)
        position += 1
    if closing:
        raise RecipeError(f"--grid {option!r}: a {closing[-1]} is missing; close the bracket, or quote the value.")
    return [*values, text[start:].strip()]


def _end_of_quote(text: str, start: int, option: str) -> int:
    """Position of the quote that ends the one at `start`."""
    quote, position = text[start], start + 1
    while position < len(text):
        if text[position] == "\\" and quote == '"':
            position += 1
        elif text[position] == quote:
            if quote == '"' or text[position + 1 : position + 2] != quote:
                return position
            position += 1  # two single quotes are one within the value
        position += 1
    raise RecipeError(f"--grid {option!r}: the quote {quote} does not end; close it.")
