"""JSON schema of recipes (draft 2020-12): the Recipe model, with the installed kinds in each slot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from gmssl.errors import PluginError
from gmssl.interfaces.affinity import Affinity
from gmssl.interfaces.part import Part
from gmssl.interfaces.registry import GROUPS, SLOT_MARK, find, kinds
from gmssl.recipe.recipe import Recipe

Schema: TypeAlias = dict[str, Any]


def recipe_schema() -> Schema:
    """The schema; a plugin that is installed is part of it, a broken one is left out.

    A slot takes the bare name of a kind that has no required setting, or a mapping whose `kind` selects the settings.
    The checks across parts (see `gmssl check`) are not expressible here.
    """
    schema = Recipe.model_json_schema()
    definitions: Schema = schema.pop("$defs", {})
    for place in ("vertex", "edge"):
        definitions["Affinities"]["properties"][place]["items"] = _reference(f"affinity.{place}")
    for slot in GROUPS:
        for kind, part in _parts(slot).items():
            definitions |= _settings(slot, kind, part)
        definitions[slot] = _choice(slot, _parts(slot))
    for place in ("vertex", "edge"):
        scoring = {
            kind: part
            for kind, part in _parts("affinity").items()
            if issubclass(part, Affinity) and part.scores == place
        }
        definitions[f"affinity.{place}"] = _choice("affinity", scoring)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gmssl recipe",
        **_linked({**schema, "$defs": dict(sorted(definitions.items()))}),
    }


def _parts(slot: str) -> dict[str, type[Part]]:
    found = {}
    for kind in kinds(slot):
        with contextlib.suppress(PluginError):
            found[kind] = find(slot, kind)
    return found


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _choice(slot: str, parts: Mapping[str, type[Part]]) -> Schema:
    """One of the kinds, by name or as a mapping."""
    bare = [kind for kind, part in parts.items() if not any(f.is_required() for f in part.model_fields.values())]
    names: list[Schema] = [{"enum": bare}] if bare else []
    return {"oneOf": names + [_reference(f"{slot}.{kind}") for kind in parts]}


def _settings(slot: str, kind: str, part: type[Part]) -> Schema:
    """Definitions of one kind: its mapping, and the models its settings are made of under names of its own."""
    schema = part.model_json_schema()
    inner: Schema = schema.pop("$defs", {})
    renamed = {name: f"{slot}.{kind}.{name}" for name in inner}
    changes: Schema = {}
    for name, default in _default_parts(part):
        changes |= _changes(default)
        change = _reference(f"{default.slot}.{default.kind}.changes")
        schema["properties"][name] = {"anyOf": [schema["properties"][name], change]}
    schema["title"] = kind
    schema["properties"] = {"kind": {"const": kind}, **schema.get("properties", {})}
    schema["required"] = ["kind", *schema.get("required", [])]
    named = {f"{slot}.{kind}": schema, **{renamed[name]: model for name, model in inner.items()}}
    return {name: _renamed(model, renamed) for name, model in named.items()} | changes


def _default_parts(part: type[Part]) -> Iterator[tuple[str, Part]]:
    """Settings that hold a part by default, and that part."""
    for name, field in part.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, Part):
            yield name, default


def _changes(default: Part) -> Schema:
    """Definitions of a mapping without `kind`, which changes settings of a part that is there by default."""
    name = f"{default.slot}.{default.kind}"
    definitions = _settings(default.slot, default.kind, type(default))
    whole = definitions.pop(name)
    settings = {key: value for key, value in whole["properties"].items() if key != "kind"}
    return definitions | {f"{name}.changes": {**whole, "properties": settings, "required": []}}


def _renamed(node: Any, names: dict[str, str]) -> Any:
    """The same schema with references to `names` changed."""
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _renamed(value, names) for key, value in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and (name := reference.removeprefix("#/$defs/")) in names:
        node["$ref"] = f"#/$defs/{names[name]}"
    return node


def _linked(node: Any) -> Any:
    """The same schema with each mark of a slot (see `field_of`) replaced by a reference to its kinds."""
    if isinstance(node, list):
        return [_linked(item) for item in node]
    if not isinstance(node, dict):
        return node
    linked = {key: _linked(value) for key, value in node.items() if key != SLOT_MARK}
    return linked | (_reference(node[SLOT_MARK]) if SLOT_MARK in node else {})
