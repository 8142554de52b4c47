"""Contrastive learning as graph matching.

A pretext task is a matching problem: costs and matchings are one number for every vertex pair and every edge pair, and
the energy is their inner product. See `docs/design.md`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Floor 0 imports neither torch nor pydantic. It is imported at once, because the module `gmssl.energy` would otherwise
# take the place of the function of that name as soon as anybody imports it.
from gmssl.energy import energy
from gmssl.pairs import Costs, Matching
from gmssl.problem import Problem, Solution
from gmssl.topology import Topology

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gmssl.recipe import load_recipe
    from gmssl.registry import part
    from gmssl.solving import certify, solve

__all__ = [
    "Costs",
    "Matching",
    "Problem",
    "Solution",
    "Topology",
    "__version__",
    "certify",
    "energy",
    "load_recipe",
    "part",
    "solve",
]

_HOME = {"load_recipe": "gmssl.recipe", "part": "gmssl.registry", "solve": "gmssl.solving", "certify": "gmssl.solving"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gmssl' has no attribute {name!r}; public names are {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__
