"""`--variants FILE`: named changes of a recipe, or other recipes, as the first axis of a sweep.

Methods differ in many settings at once, and so do the rows of an ablation table: a variant names such a set of changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmssl.errors import RecipeError
from gmssl.recipe import read_recipe
from gmssl.sweeping.axes import Axis
from gmssl.sweeping.recipes import read_settings, sets_seed

VARIANT = "variant"
"""Path of the axis; no recipe has such a setting."""

_FORM = "a list of path=value, or {recipe: FILE, set: [path=value, …]}"


def read_variants(path: Path, recipe: Path, overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings of each variant, by name, in the order of the file.

    A variant is the sweep's recipe, or the recipe that it names (relative to the file), with the sweep's `overrides`
    and then its own changes.

    Raises:
        RecipeError: no such file, no variant, or one that is of another form or changes what is not there.
    """
    written = read_recipe(path, "variants")
    if len(written) < 2:
        raise RecipeError(f"{path} has {len(written)} variant(s); give at least two, each a name with {_FORM}.")
    return {
        name: _settings(f"{path}: {name}", path.parent, value, recipe, overrides) for name, value in written.items()
    }


def _settings(place: str, folder: Path, value: object, recipe: Path, overrides: Sequence[str]) -> dict[str, Any]:
    base, changes = _parts(place, value)
    file = recipe if base is None else folder / base
    if any(map(sets_seed, changes)):
        raise RecipeError(f"{place}: a sweep sets the seeds itself; remove seed, and give their number with --seeds.")
    try:
        return read_settings(file, (*overrides, *changes))
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from None


def _parts(place: str, value: object) -> tuple[str | None, list[str]]:
    """Recipe and changes."""
    base: object = None
    changes: object = value if value is not None else []
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in ("recipe", "set")]
        if unknown:
            raise RecipeError(f"{place}: unknown key {unknown[0]!r}; a variant is {_FORM}.")
        base, changes = value.get("recipe"), value.get("set") or []
    if not isinstance(changes, list) or not all(isinstance(change, str) for change in changes):
        raise RecipeError(f"{place}: {changes!r} is no list of texts; a variant is {_FORM}.")
    if base is not None and not isinstance(base, str):
        raise RecipeError(f"{place}.recipe: {base!r} is no path; a variant is {_FORM}.")
    return base, changes


def variant_axis(variants: Mapping[str, object]) -> tuple[Axis, ...]:
    """The axis, none without variants."""
    return (Axis(VARIANT, tuple(variants)),) if variants else ()
