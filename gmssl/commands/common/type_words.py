"""Types of settings in words, as people who write recipes say them: `3 numbers > 0, or none`."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_NOUNS: Mapping[object, tuple[str, str]] = {
    bool: ("true or false", "values true or false"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("text", "texts"),
    Any: ("any value", "values of any kind"),
    object: ("any value", "values of any kind"),
}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def type_in_words(annotation: Any, limits: Iterable[object] = ()) -> str:
    """One phrase without brackets and without names of Python or pydantic.

    Args:
        annotation: type of a setting, with whatever pydantic allows inside.
        limits: what pydantic knows beside the type, `FieldInfo.metadata`; validators among it say nothing.
    """
    return _phrase(annotation, list(_single(limits)), many=False)


def _single(items: Iterable[object]) -> Iterable[object]:
    """The limits that fields and groups of limits (`Field(ge=1)`, `Interval(ge=1, le=8)`) are made of."""
    for item in items:
        inner = getattr(item, "metadata", None)  # of a FieldInfo
        yield from _single(inner) if isinstance(inner, list) else [item]


def _phrase(annotation: Any, limits: list[object], many: bool) -> str:
    annotation = getattr(annotation, "__value__", annotation)  # of a type alias
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _phrase(inner[0], [*limits, *_single(inner[1:])], many)
    if origin in (Union, types.UnionType):
        return _many(_union(inner, limits), many)
    if origin is Literal:
        return _many(_choice(inner), many)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, value = (_phrase(item, [], many=True) for item in inner)
        return _many(f"mapping of {key} to {value}", many)
    if isinstance(origin, type) and issubclass(origin, Collection):
        return _many(_collection(origin, inner, limits), many)
    return _plain(origin or annotation, limits, many)


def _many(phrase: str, many: bool) -> str:
    return f"items, each {phrase}" if many else phrase


def _union(members: tuple[Any, ...], limits: list[object]) -> str:
    """`number > 0, or none`: limits hold for every member that they can hold for."""
    others = [_phrase(member, limits, many=False) for member in members if member is not types.NoneType]
    return ", or ".join([*others, "none"] if types.NoneType in members else others)


def _choice(values: Collection[object]) -> str:
    words = [_value(value) for value in values]
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _value(value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _collection(origin: type, inner: tuple[Any, ...], limits: list[object]) -> str:
    """Tuples of a fixed length may mix types; all other collections hold one type and any number of it."""
    items = inner[:1] if issubclass(origin, tuple) and inner[1:] == (...,) else inner
    single = {_phrase(item, [], many=False) for item in items}
    if len(single) > 1:
        return f"{len(items)} values: {'; '.join(_phrase(item, [], many=False) for item in items)}"
    plural = _phrase(items[0], [], many=True) if items else "values"
    if issubclass(origin, tuple) and inner[1:] != (...,):
        return f"{len(items)} {plural}" if len(items) > 1 else next(iter(single), "no values")
    least, most = _length(limits)
    if least == most:
        return f"{least} {plural}"
    if most is None:
        return f"{least} or more {plural}" if least else f"list of {plural}"
    return f"{least} to {most} {plural}" if least else f"at most {most} {plural}"


def _length(limits: list[object]) -> tuple[int, int | None]:
    least = [item.min_length for item in limits if getattr(item, "min_length", None) is not None]  # type: ignore[attr-defined]
    most = [item.max_length for item in limits if getattr(item, "max_length", None) is not None]  # type: ignore[attr-defined]
    return max(least, default=0), min(most, default=None)


def _plain(kind: Any, limits: list[object], many: bool) -> str:
    """A type that holds no other."""
    from gmssl.interfaces.part import Part

    kind = getattr(kind, "__supertype__", kind)  # of a NewType
    if kind in (None, types.NoneType):
        return "none"
    if not isinstance(kind, type):
        return _noun(*_NOUNS.get(kind, _NOUNS[object]), many)
    if issubclass(kind, Part):
        name = f"{getattr(kind, 'slot', '')} part".replace("_", " ").strip()
        return f"{name}s" if many else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    if issubclass(kind, Enum):
        return _many(_choice(list(kind)), many)
    if issubclass(kind, PurePath):
        wanted = {"file": " of a file", "dir": " of a folder"}
        kinds = [wanted.get(getattr(item, "path_type", ""), "") for item in limits]
        return _noun("path", "paths", many) + "".join(kinds)
    if fields := getattr(kind, "model_fields", None):
        return _many(f"mapping with the keys {', '.join(fields)}", many)
    if issubclass(kind, Mapping):
        return _noun("mapping", "mappings", many)
    if issubclass(kind, Collection) and not issubclass(kind, str | bytes):
        return _many(_collection(list, (), limits), many)
    known = next((_NOUNS[base] for base in kind.__mro__[:-1] if base in _NOUNS), None)
    name = kind.__name__.strip("_").lower()
    return " ".join([_noun(*known or (name, f"{name} values"), many), *_bounds(kind, limits)])


def _noun(one: str, more: str, many: bool) -> str:
    return more if many else one


def _bounds(kind: type, limits: list[object]) -> Iterable[str]:
    """`≥ 0 and < 1` of numbers, `of 1 or more characters` of text."""
    if issubclass(kind, str):
        least, most = _length(limits)
        if least or most is not None:
            yield f"of {_collection(list, (), limits)}".replace("values", "characters")
        return
    bounds = [
        f"{sign} {getattr(item, name)}"
        for item in limits
        for name, sign in _SIGNS.items()
        if getattr(item, name, None) is not None
    ]
    if bounds:
        yield " and ".join(bounds)
    yield from (f"in steps of {item.multiple_of}" for item in limits if getattr(item, "multiple_of", None) is not None)  # type: ignore[attr-defined]
