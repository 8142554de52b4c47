"""YAML in which no key stands twice, and what is wrong with it in one line."""

from __future__ import annotations

from typing import Any

import yaml


class _UniqueKeys:
    """YAML lets the last of two equal keys win silently; what people write by hand must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key {min(twice)!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)  # type: ignore[misc]


class UniqueKeys(_UniqueKeys, yaml.SafeLoader):
    """The loader of single files, whose messages are the plainest."""


class FastUniqueKeys(_UniqueKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The loader of many files: compiled, where PyYAML has it so."""


def yaml_fault(error: Exception) -> str:
    """Place and fault, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split()) or type(error).__name__
