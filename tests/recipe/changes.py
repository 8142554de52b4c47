"""Recipes with one value that is another."""

from __future__ import annotations

import copy
from typing import Any


def changed(node: Any, path: tuple, value: Any) -> Any:
    """A copy with one value replaced."""
    node = copy.deepcopy(node)
    place = node
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return node
