"""One forward pass in evaluation mode, with everything that a report needs and a `Step` does not keep: the images that
its nodes are, and its costs term by term of the recipe's affinity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from gmssl.evaluation.features import frozen
from gmssl.interfaces.affinity import Affinity, Side
from gmssl.interfaces.vertices import Encoding
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.maps import attach_maps
from gmssl.objective.matcher import Step, sources
from gmssl.objective.objective import MatchingObjective
from gmssl.objective.settings import Affinities
from gmssl.system.clock import StageClock


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


@dataclass(frozen=True, eq=False)
class Watched:
    """A step of the main problem.

    Attributes:
        step: of the objective, under the estimator's noise.
        terms: of its costs.
        source: which view and image the left nodes are, `view · B + image`, `[G,n]`; −1 where nodes are none.
    """

    step: Step
    terms: tuple[Term, ...]
    source: torch.Tensor


def watch(objective: MatchingObjective, batch: ViewBatch, generator: torch.Generator) -> Watched:
    """Run the objective on finished views, its weights and statistics as they were trained.

    Evaluation mode: batch normalisation uses the running statistics, dropout is off, queues and centres stay.
    """
    maps: list[torch.Tensor] = []
    seen: list[Encoding] = []
    images = len(batch.index)

    def keep_maps(module: torch.nn.Module, given: Any, output: Any) -> None:
        maps.extend(output[0].chunk(len(output[0]) // images))  # views of equal size pass the encoder together

    def keep_student(module: torch.nn.Module, given: Any) -> None:
        seen.append(given[0])

    with frozen(objective), _Hooks(objective, keep_maps, keep_student):
        step = objective(batch, generator, StageClock())
        sides = tuple(Side(nodes, edges) for nodes, edges in zip(step.nodes, step.edges, strict=True))
        if objective.main.reads_maps:
            sides = attach_maps((sides[0], sides[1]), sources(step.arrangement, step.relabelling), maps, batch)
        terms = split(objective.main.settings.affinity, sides[0], sides[1])
    return Watched(step, terms, _images(step, seen[0]))


class _Hooks:
    """The encoder's outputs and the first input of `vertices` while the objective runs."""

    def __init__(
        self, objective: MatchingObjective, after_encoder: Callable[..., None], before_vertices: Callable[..., None]
    ) -> None:
        self._objective, self._after, self._before = objective, after_encoder, before_vertices

    def __enter__(self) -> None:
        self._handles = [
            self._objective.encoder.register_forward_hook(self._after),
            self._objective.main.vertices.register_forward_pre_hook(self._before),
        ]

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()


def _images(step: Step, student: Encoding) -> torch.Tensor:
    """Left nodes as images: told by the arrangement, or else by their vectors, which are those of one image's view."""
    nodes, told = step.arrangement.left, step.arrangement.sources
    if told is not None:
        return told[0]
    vectors = student.embeddings.flatten(0, 1)
    if nodes.shape[2] != vectors.shape[1] or step.problem.costs.vertex.shape[1] != nodes.shape[1]:
        return torch.full(nodes.shape[:2], -1, device=nodes.device)
    equal = torch.stack([(graph[:, None] == vectors).all(2) for graph in nodes])
    known = equal.sum(2) == 1
    return torch.where(known, equal.int().argmax(2), -1)


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
