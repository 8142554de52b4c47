"""The costs of a problem, term by term of the recipe's affinity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gmssl.interfaces.affinity import Affinity, Side
from gmssl.lazy import torch
from gmssl.objective.settings import Affinities


@dataclass(frozen=True, eq=False)
class Term:
    """One weighted term of the costs.

    Attributes:
        name: for readers; no two terms of a recipe share it.
        place: what it scores.
        costs: −weight · score, float64, `[G,n,m]` of vertex pairs or `[G,E,F]` of edge pairs.
    """

    name: str
    place: Literal["vertex", "edge"]
    costs: torch.Tensor


def split(affinity: Affinities, left: Side, right: Side) -> tuple[Term, ...]:
    """All terms; those of vertices sum to the vertex costs, those of edges to the edge costs."""
    found = zip(names(affinity), (*affinity.vertex, *affinity.edge), strict=True)
    return tuple(Term(name, term.scores, -term.weight * term.score(left, right).double()) for name, term in found)


def names(affinity: Affinities) -> tuple[str, ...]:
    """What the terms are called: kind, and settings that are words; numbered where that is not enough."""
    plain = [_name(term) for term in (*affinity.vertex, *affinity.edge)]
    return tuple(
        name if plain.count(name) == 1 else f"{name} {plain[: number + 1].count(name)}"
        for number, name in enumerate(plain)
    )


def _name(term: Affinity) -> str:
    words = [f"{key} {value}" for key, value in term.model_dump().items() if isinstance(value, str) and key != "kind"]
    return " ".join([term.kind, *words]).replace("_", " ")
