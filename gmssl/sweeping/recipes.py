"""The recipes of a sweep: one, several, or named variants of one, as its first axis.

Methods differ in many settings at once, and so do the rows of an ablation table: a variant names such a set of changes.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmssl.errors import RecipeError
from gmssl.recipe.library import shipped
from gmssl.recipe.recipe import apply_override, load_recipe, read_recipe
from gmssl.sweeping.axes import RECIPE, VARIANT, Axis

_TRIED = 64
"""Combinations of a grid's values that are tried, to explain why cells are no valid recipes."""

_REMEDY = (
    "A sweep of several recipes varies only what all of them have: sweep them apart, or give each its own changes "
    "in a file for --variants."
)


def read_settings(recipe: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Of a recipe file, with `--set` applied and without its seed.

    Raises:
        RecipeError: no such file, or a `--set` that is not of that form, leads nowhere, or sets the seed.
    """
    settings = read_recipe(recipe)
    for override in overrides:
        if sets_seed(override):
            raise RecipeError(
                f"--set {override}: a sweep sets the seeds itself; name them with --seeds, as in --seeds 4-9."
            )
        apply_override(settings, override)
    settings.pop("seed", None)
    return settings


def sets_seed(override: str) -> bool:
    """Whether a `path=value` changes the seed, which is the sweep's."""
    return override.partition("=")[0].strip() == "seed"


def read_recipes(recipes: Sequence[Path], overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings of several recipes by the stems of their files, in the order given.

    Raises:
        RecipeError: a file that stands twice, two of one name, or a fault of `read_settings` with the file.
    """
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in recipes:
        other = found.get(path.stem)
        if other is not None and other[0].resolve() == path.resolve():
            raise RecipeError(f"the recipe {path} is given twice; remove one.")
        if other is not None:
            raise RecipeError(
                f"two recipes are called {path.stem}: {other[0]} and {path}; rename one, or name both in a file for "
                "--variants."
            )
        try:
            found[path.stem] = path, read_settings(path, overrides)
        except RecipeError as error:
            message = str(error)
            raise RecipeError(message if str(path) in message else f"{path}: {message}") from None
    return {name: settings for name, (_, settings) in found.items()}


def recipe_axis(recipes: Mapping[str, object]) -> tuple[Axis, ...]:
    """The axis, none for a single recipe."""
    return (Axis(RECIPE, tuple(recipes)),) if len(recipes) > 1 else ()


def refuse_foreign(files: Sequence[Path], axes: Sequence[Axis], overrides: Sequence[str]) -> None:
    """Where cells are no valid recipes, find out whether an option suits some of the recipes only.

    Args:
        files: of the recipes, no two with the same stem.
        axes: of the grid, without that of the recipes.
        overrides: `path=value` for all cells.

    Raises:
        RecipeError: an option that no cell of some recipes can do with, and every one of them without.
    """
    options = [("--set", *_split(override)) for override in overrides]
    options += [("--grid", axis.path, axis.values) for axis in axes]
    recipes = {file.stem: read_recipe(file) for file in files}
    refused = {name: _refusal(settings, options) for name, settings in recipes.items()}
    for at, (option, path, _) in enumerate(options):
        others = options[:at] + options[at + 1 :]
        lacking = [n for n, fault in refused.items() if fault is not None and _refusal(recipes[n], others) is None]
        fitting = [n for n, fault in refused.items() if fault is None]
        if lacking and fitting:
            raise RecipeError(
                f"{option} {path} suits {', '.join(fitting)}, and not {', '.join(lacking)} ({lacking[0]}: "
                f"{refused[lacking[0]]}). {_REMEDY}"
            )


def _split(override: str) -> tuple[str, tuple[str, ...]]:
    path, _, value = override.partition("=")
    return path.strip(), (value,)


def _refusal(settings: Mapping[str, Any], options: Sequence[tuple[str, str, tuple[str, ...]]]) -> str | None:
    """Why a recipe with the first of the options' values is none; None if it is one with any of them."""
    choices = [[f"{path}={value}" for value in values] for _, path, values in options]
    first: str | None = None
    for overrides in itertools.islice(itertools.product(*choices), _TRIED):
        changed = copy.deepcopy(dict(settings))
        try:
            for override in overrides:
                apply_override(changed, override)
            load_recipe({**changed, "seed": 0})
        except RecipeError as error:
            first = first or re.sub(r"^--set '.*?': ", "", str(error).removeprefix("recipe:\n").strip().splitlines()[0])
        else:
            return None
    return first and first.rstrip(".")


_FORM = "a list of path=value, or {recipe: FILE, set: [path=value, …]}"


def read_variants(path: Path, recipe: Path, overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The settings of each variant, by name, in the order of the file.

    A variant is the sweep's recipe, or the recipe that it names, with the sweep's `overrides` and then its own changes.
    It names one by its path relative to the file, or a shipped one by its name.

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
    file = recipe if base is None else _named(folder, base)
    if any(map(sets_seed, changes)):
        raise RecipeError(f"{place}: a sweep sets the seeds itself; remove seed, and name them with --seeds.")
    try:
        return read_settings(file, (*overrides, *changes))
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from None


def _named(folder: Path, base: str) -> Path:
    """A recipe beside the file of variants, or a shipped one by its name."""
    beside = folder / base
    if beside.is_file():
        return beside
    return next((file.path for file in shipped() if file.name == base and file.sort == "recipe"), beside)


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
