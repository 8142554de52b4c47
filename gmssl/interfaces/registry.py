"""From (slot, kind) to a part, through entry points.

First-party parts register through the same groups as third-party ones. A plugin is imported only when a recipe names
it, so a broken plugin never harms a run that does not use it.
"""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, SerializeAsAny, ValidationError, WithJsonSchema

from gmssl.errors import PluginError, RecipeError
from gmssl.interfaces.part import UNKNOWN_KEY, Part, nearest

P = TypeVar("P", bound=Part)

GROUPS = {
    "affinity": "gmssl.affinities",
    "balance": "gmssl.balances",
    "cases": "gmssl.cases",
    "data": "gmssl.data",
    "encoder": "gmssl.encoders",
    "estimator": "gmssl.estimators",
    "graph": "gmssl.graphs",
    "logger": "gmssl.loggers",
    "loss": "gmssl.losses",
    "message_passing": "gmssl.message_passing",
    "noise": "gmssl.noises",
    "optimiser": "gmssl.optimisers",
    "projector": "gmssl.projectors",
    "reader": "gmssl.readers",
    "regulariser": "gmssl.regularisers",
    "schedule": "gmssl.schedules",
    "solver": "gmssl.solvers",
    "target": "gmssl.targets",
    "task": "gmssl.tasks",
    "vertices": "gmssl.vertices",
    "views": "gmssl.views",
    "window": "gmssl.windows",
}

SLOT_MARK = "x-gmssl-slot"


@cache
def _installed() -> dict[str, tuple[EntryPoint, ...]]:
    """Entry points of all groups of parts; one pass over the installed packages serves all slots."""
    every = entry_points()
    return {group: tuple(every.select(group=group)) for group in GROUPS.values()}


@cache
def _entry_points(slot: str) -> dict[str, tuple[EntryPoint, ...]]:
    if slot not in GROUPS:
        raise RecipeError(f"unknown slot {slot!r}{nearest(slot, GROUPS)}; use one of {', '.join(GROUPS)}.")
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(_installed()[GROUPS[slot]], key=lambda p: (p.name, p.value)):
        if point.value not in [other.value for other in found.get(point.name, [])]:
            found.setdefault(point.name, []).append(point)
    return {kind: tuple(points) for kind, points in found.items()}


def kinds(slot: str) -> list[str]:
    """Names of all installed kinds of a slot, sorted."""
    return list(_entry_points(slot))


def misspelt() -> list[str]:
    """A sentence for each group of entry points that looks like one of gmssl and is none, so that nothing reads it."""
    every = entry_points()
    groups = {group for group in every.groups if re.match(r"gmssl\b|gmssl_", group, re.IGNORECASE)}
    found = []
    for group in sorted(groups - set(GROUPS.values())):
        points = every.select(group=group)
        packages = ", ".join(sorted({point.dist.name for point in points if point.dist})) or "a package"
        # Without what all groups begin with, by which anything would be near.
        near = get_close_matches(
            group[len("gmssl.") :].lower(), [name.removeprefix("gmssl.") for name in GROUPS.values()]
        )
        remedy = f" (did you mean 'gmssl.{near[0]}'?)" if near else f"; groups are {', '.join(GROUPS.values())}"
        found.append(
            f"{packages} offers {', '.join(sorted(points.names))} in the entry-point group {group!r}, which gmssl "
            f"does not read{remedy}; correct it in the pyproject.toml of the package and install that again."
        )
    return found


def source(slot: str, kind: str) -> str:
    """The `package version` that provides a kind, for `gmssl parts list`."""
    distribution = _entry_points(slot)[kind][0].dist
    return f"{distribution.name} {distribution.version}" if distribution else "unknown"


@cache
def find(slot: str, kind: str) -> type[Part]:
    """The class of a kind.

    Raises:
        RecipeError: there is no such slot or kind; the message names all that exist, and how plugins add more.
        PluginError: two packages offer the kind, the plugin does not import, or its class breaks the interface.
    """
    points = _entry_points(slot).get(kind)
    if points is None:
        raise RecipeError(
            f"unknown {slot} kind {kind!r}{nearest(kind, _entry_points(slot))}; installed kinds are "
            f"{', '.join(kinds(slot)) or 'none'}. Use one of them, or install a plugin that offers it in the "
            f"entry-point group {GROUPS[slot]!r}."
        )
    if len(points) > 1:
        values = ", ".join(f"{p.value} ({p.dist.name if p.dist else '?'})" for p in points)
        raise PluginError(f"{slot} kind {kind!r} is offered more than once: {values}. Uninstall or rename one.")
    try:
        loaded = points[0].load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module that ends the program, as by sys.exit, must not end ours
        raise PluginError(
            f"{slot} kind {kind!r} ({points[0].value}) does not import: {type(error).__name__}: {error}. "
            "Repair or reinstall the package that provides it."
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Part)):
        raise PluginError(
            f"{points[0].value} is no subclass of gmssl.interfaces.part.Part; derive it from the {slot} interface."
        )
    declared = (getattr(loaded, "slot", None), getattr(loaded, "kind", None))
    if declared != (slot, kind):
        raise PluginError(
            f"{points[0].value} declares slot {declared[0]!r} and kind {declared[1]!r}, but is registered as "
            f"{slot!r}, {kind!r}; make the class and its entry point agree."
        )
    if inspect.isabstract(loaded):
        missing = ", ".join(sorted(loaded.__abstractmethods__))
        raise PluginError(f"{points[0].value} does not implement {missing}; the {slot} interface asks for it.")
    _refuse_loose(loaded, points[0].value, slot)
    return loaded


_PROMISED = ("frozen", "extra", "allow_inf_nan")
"""What `Part.model_config` promises of the settings of every part."""


def _refuse_loose(loaded: type[Part], place: str, slot: str) -> None:
    """Refuse a class that is no part of its own, or whose settings are not those of a part."""
    concrete = next((base for base in loaded.__mro__[1:] if "kind" in vars(base)), None)
    if concrete is not None:
        raise PluginError(
            f"{place} is a subclass of the concrete part {concrete.__name__} ({vars(concrete)['kind']!r}); derive it "
            f"from the {slot} interface, and hold the other part in a setting."
        )
    loosened = [name for name in _PROMISED if loaded.model_config.get(name) != Part.model_config.get(name)]
    if loosened:
        raise PluginError(
            f"{place} changes {', '.join(loosened)} in its model_config; remove that: parts are frozen and refuse "
            "unknown settings and numbers that are not finite."
        )


def part(slot: str, kind: str, **settings: Any) -> Any:
    """Build any part by slot and kind: `part("solver", "robust_tabu", starts=12, iterations=50)`.

    Raises:
        RecipeError: unknown slot, kind or setting, or a setting of the wrong type.
        PluginError: the plugin that provides the kind is broken.
    """
    try:
        return find(slot, kind)(**settings)
    except ValidationError as error:
        raise RecipeError(f"{slot} {kind!r}: {describe(error)}") from None


def part_of(slot: str, given: object) -> Any:
    """A part that was given in any form of a recipe: `part_of("solver", "lap")`; see `resolve`.

    Raises:
        RecipeError, PluginError: as `part`.
    """
    try:
        return resolve(slot, given)
    except ValidationError as error:
        kind = f" {given['kind']!r}" if isinstance(given, Mapping) else ""
        raise RecipeError(f"{slot}{kind}: {describe(error)}") from None


def resolve(slot: str, given: object, interface: type[Part] = Part) -> Part:
    """A part from a recipe: an instance, the name of a kind, or a mapping with `kind` and settings.

    Args:
        slot: where it stands.
        given: the part, in one of these forms.
        interface: what it must be an instance of.

    Raises:
        RecipeError, PluginError: as `find`; pydantic's ValidationError for settings, with their place.
    """
    if isinstance(given, Part):
        if given.slot != slot:
            raise RecipeError(
                f"the {given.slot} part {given.kind} stands where a part of the slot {slot} is needed; "
                "move it to its slot."
            )
        return _fitting(given, interface)
    if isinstance(given, str):
        return _fitting(find(slot, given)(), interface)
    if not isinstance(given, Mapping):
        raise RecipeError(
            f"give the name of a kind or a mapping with `kind`, not {brief(given)}; installed kinds are "
            f"{', '.join(_kinds_of(slot, interface))}."
        )
    settings = dict(given)
    kind = settings.pop("kind", None)
    if not isinstance(kind, str):
        raise RecipeError(f"`kind` is missing; add one of {', '.join(_kinds_of(slot, interface))}.")
    return _fitting(find(slot, kind).model_validate(settings), interface)


def _fitting(given: Part, interface: type[Part]) -> Part:
    if isinstance(given, interface):
        return given
    known = ", ".join(_kinds_of(given.slot, interface))
    raise RecipeError(f"{given.slot} kind {given.kind!r} does not fit here; use {known}.")


def _kinds_of(slot: str, interface: type[Part]) -> list[str]:
    """The kinds that derive from an interface. All of a slot do from the one that names it, so none is imported."""
    if interface is Part or "slot" in vars(interface):
        return kinds(slot)
    found = []
    for kind in kinds(slot):
        with suppress(PluginError):
            if issubclass(find(slot, kind), interface):
                found.append(kind)
    return found


def _validator(interface: type[Part]) -> BeforeValidator:
    def validate(given: object) -> Part:
        try:
            return resolve(interface.slot, given, interface)
        except (RecipeError, PluginError) as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(validate)


def field_of(interface: type[P]) -> Any:
    """The annotation of a recipe field that holds a part: resolves names and mappings, dumps with `kind`."""
    # The interface itself has no settings; `gmssl parts schema` puts the installed kinds in the place of this mark.
    mark = WithJsonSchema({SLOT_MARK: interface.slot})
    return Annotated[SerializeAsAny[interface], _validator(interface), mark]  # type: ignore[valid-type, misc]


_NEEDED = {
    "tuple_type": "a list is needed",
    "dict_type": "a mapping of names to values is needed",
    "model_type": "a mapping of names to values is needed",
}
"""pydantic's faults that name types of Python, in words of YAML."""


def describe(error: ValidationError) -> str:
    """One line per fault of a pydantic error: place, what happened, what was given, what exists."""
    lines = []
    faults = error.errors(include_url=False)
    deeper = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    for fault in faults:
        place = ".".join(map(_key, fault["loc"])) or "recipe"
        message = _NEEDED.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        if fault["type"] == "missing":
            message = "is missing; add it"
        elif fault["type"] == "too_short":
            if fault["loc"] in deeper:  # pydantic does not count the items that it has named as faults already
                continue
            message = f"at least {fault['ctx']['min_length']} item(s) are needed, not {brief(fault['input'])}; add some"
        elif fault["type"] not in ("value_error", "assertion_error", UNKNOWN_KEY):
            message = f"{message}, not {brief(fault['input'])}; correct the value"
        lines.append(f"{place}: {message}")
    return "\n".join(lines)


def _key(key: int | str) -> str:
    """A key as it stands in the recipe, if that is one short line."""
    text = str(key)
    return text if text.isprintable() and len(text) <= 60 else brief(text)


def brief(value: object) -> str:
    """At most 60 characters that show a value."""
    try:
        text = reprlib.repr(value)  # bounded also for a value that refers to itself a million times
    except ValueError:  # an integer with more digits than Python converts
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."
