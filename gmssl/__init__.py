"""Contrastive learning as graph matching.

A pretext task is a matching problem: costs and matchings are one number for every vertex pair and every edge pair, and
the energy is their inner product. See `docs/design.md`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gmssl.problem import Costs, Matching, Problem, Solution, Topology, energy
from gmssl.system.caches import settle_caches
from gmssl.system.forks import survive_forks

# All of this is light: neither torch nor pydantic is imported. What needs them is looked up at its first use.
settle_caches()
survive_forks()

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gmssl.evaluation.encoders import load_encoder
    from gmssl.evaluation.evaluating import evaluate
    from gmssl.interfaces.registry import part
    from gmssl.interfaces.solving import certify, solve
    from gmssl.recipe.recipe import load_recipe
    from gmssl.training.notebook import Run, train

__all__ = [
    "Costs",
    "Matching",
    "Problem",
    "Run",
    "Solution",
    "Topology",
    "__version__",
    "certify",
    "energy",
    "evaluate",
    "load_encoder",
    "load_recipe",
    "part",
    "solve",
    "train",
]

_HOME = {
    "Run": "gmssl.training.notebook",
    "certify": "gmssl.interfaces.solving",
    "evaluate": "gmssl.evaluation.evaluating",
    "load_encoder": "gmssl.evaluation.encoders",
    "load_recipe": "gmssl.recipe.recipe",
    "part": "gmssl.interfaces.registry",
    "solve": "gmssl.interfaces.solving",
    "train": "gmssl.training.notebook",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gmssl' has no attribute {name!r}; public names are {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__
