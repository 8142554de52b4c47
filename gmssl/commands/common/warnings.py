"""Warnings about valid recipes: settings that change nothing, images left out, folders that do not exist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmssl.interfaces.part import Part
    from gmssl.objective.settings import MatchingSettings
    from gmssl.recipe.recipe import Recipe


def warnings(recipe: Recipe) -> list[str]:
    """One sentence for each warning, with its place in the recipe."""
    batch = recipe.train.batch_per_step
    return [
        *_left_out(recipe),
        *_places(recipe),
        *_libraries(recipe),
        *(
            f"{place}{warning}"
            for place, matching in recipe.matchings
            for found in (
                _idle_weight(matching),
                _idle_terms(matching),
                _idle_edges(matching),
                _joined(matching, batch),
            )
            for warning in found
        ),
        *_idle_training(recipe),
    ]


def _left_out(recipe: Recipe) -> Iterator[str]:
    batch = recipe.train.batch_per_step
    for place, matching in recipe.matchings:
        left_out = matching.vertices.left_out(batch)
        if left_out:
            yield (
                f"train.batch: {left_out} of {batch} images a step take part in no graph"
                f"{' of ' + place.removesuffix('.') if place else ''} (each epoch draws others); "
                "choose a batch that the graphs divide to use all."
            )


def _places(recipe: Recipe) -> Iterator[str]:
    sources: list[tuple[str, Part]] = [("data", recipe.data), ("encoder", recipe.encoder)]
    if recipe.probe is not None:
        sources.append(("probe.data", recipe.probe.data))
    for place, part in sources:
        for name, path in _paths(part):
            if not path.exists():
                yield f"{place}.{name}: {path} is not on this machine; training needs it (--set {place}.{name}=…)."


def _libraries(recipe: Recipe) -> Iterator[str]:
    for number, logger in enumerate(recipe.loggers):
        missing = logger.missing()
        if missing:
            yield f"loggers.{number}: {logger.kind} {missing}, before you train."


def _paths(part: Part) -> Iterator[tuple[str, Path]]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Path):
            yield name, value


def _idle_weight(matching: MatchingSettings) -> Iterator[str]:
    if matching.weight == 0:
        yield "weight: 0 leaves the whole problem without effect on the training; set another, or remove the problem."


def _idle_terms(matching: MatchingSettings) -> Iterator[str]:
    for place, terms in (("vertex", matching.affinity.vertex), ("edge", matching.affinity.edge)):
        for number, term in enumerate(terms):
            if term.weight == 0:
                yield f"affinity.{place}.{number}: {term.kind} has weight 0 and changes nothing; remove it."


def _idle_edges(matching: MatchingSettings) -> Iterator[str]:
    if matching.solver.uses_edges and not matching.solver.constant and not matching.affinity.edge:
        yield (
            f"solver: {matching.solver.kind} reads edge costs, but affinity.edge is empty; lap solves this exactly and "
            "faster."
        )
    passes = matching.message_passing.reads_edges
    if passes and not matching.graph.has_edges:
        yield (
            f"message_passing: {matching.message_passing.kind} mixes nothing, because graph {matching.graph.kind} has "
            "no edges; use message_passing: unchanged, or graph: knn."
        )
    if matching.graph.has_edges and not passes and not matching.affinity.edge:
        yield f"graph: {matching.graph.kind} has edges that nothing reads; use graph: edgeless, or add edge terms."


def _joined(matching: MatchingSettings, batch: int) -> Iterator[str]:
    neighbours, nodes = getattr(matching.graph, "neighbours", None), matching.vertices.nodes(batch)
    if neighbours is not None and nodes is not None and neighbours >= nodes:
        yield f"graph.neighbours: {neighbours} is more than the {nodes - 1} other nodes of a graph; all are joined."


def _idle_training(recipe: Recipe) -> Iterator[str]:
    train, probe = recipe.train, recipe.probe
    for name in ("keep_every", "picture_every"):
        every = getattr(train, name)
        if every is not None and every > train.epochs:
            yield f"train.{name}: {every} is more than the {train.epochs} epochs of the run and changes nothing."
    if probe is not None and probe.every > train.epochs:
        yield f"probe.every: {probe.every} is more than the {train.epochs} epochs; only the last epoch is probed."
    if train.devices == 1 and "sync_batch_norm" in train.model_fields_set and train.sync_batch_norm:
        yield "train.sync_batch_norm: there is one device, so nothing is synchronised."
