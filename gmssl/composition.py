"""Whether the parts of a recipe fit together: faults that a part alone cannot see, told before anything runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gmssl.errors import PluginError
from gmssl.registry import find, kinds

if TYPE_CHECKING:
    from gmssl.recipe import Recipe


def faults(recipe: Recipe) -> Iterator[str]:
    """Each fault, with its remedy."""
    for fault in (
        _zero_gradients(recipe),
        _constant_solver(recipe),
        _unread_edges(recipe),
        _edges_of_nothing(recipe),
        _untrained_nodes(recipe),
        _another_truth(recipe),
        _no_teacher(recipe),
        _reference_without_graphs(recipe),
        recipe.vertices.fault(recipe.train.batch_per_step),
        recipe.views.fault(recipe.encoder.in_channels),
    ):
        if fault:
            yield fault


def _kinds_where(slot: str, fact: str, value: bool) -> list[str]:
    """Kinds whose class declares the fact; a broken plugin must not harm a recipe that does not name it."""
    found = []
    for kind in kinds(slot):
        with contextlib.suppress(PluginError):
            if getattr(find(slot, kind), fact) is value:
                found.append(kind)
    return found


def _zero_gradients(recipe: Recipe) -> str | None:
    if not recipe.estimator.differentiates_solver or recipe.solver.differentiable:
        return None
    relaxed = _kinds_where("solver", "differentiable", True)
    others = _kinds_where("estimator", "differentiates_solver", False)
    return (
        f"estimator {recipe.estimator.kind!r} with the piecewise-constant solver {recipe.solver.kind!r} would give "
        f"zero gradients everywhere; use estimator {', '.join(others)}, or a differentiable solver "
        f"({', '.join(relaxed)})"
    )


def _unread_edges(recipe: Recipe) -> str | None:
    if not recipe.affinity.edge or recipe.solver.uses_edges:
        return None
    readers = _kinds_where("solver", "uses_edges", True)
    return (
        f"affinity.edge has {len(recipe.affinity.edge)} term(s), but solver {recipe.solver.kind!r} does not read edge "
        f"costs; remove them, or use a second-order solver: {', '.join(readers)}"
    )


def _edges_of_nothing(recipe: Recipe) -> str | None:
    if not recipe.affinity.edge or recipe.graph.has_edges:
        return None
    return f"affinity.edge scores edges, but graph {recipe.graph.kind!r} has none; use graph knn, or remove the terms"


def _untrained_nodes(recipe: Recipe) -> str | None:
    if any(term.reads_nodes for term in (*recipe.affinity.vertex, *recipe.affinity.edge)):
        return None
    return (
        "no affinity reads the node embeddings, so projector and message passing would never train; add a term that "
        "does, such as cosine, to affinity.vertex"
    )


def _constant_solver(recipe: Recipe) -> str | None:
    if not recipe.solver.constant or recipe.loss.reads_costs:
        return None
    readers = _kinds_where("loss", "reads_costs", True)
    return (
        f"solver {recipe.solver.kind!r} does not look at the costs and loss {recipe.loss.kind!r} looks at nothing "
        f"else, so that nothing would train; use loss {', '.join(readers)}, or another solver"
    )


def _another_truth(recipe: Recipe) -> str | None:
    vertices, target = recipe.vertices, recipe.target
    if vertices.truth == target.truth:
        return None
    fitting = _kinds_where("target", "truth", vertices.truth)
    return (
        f"target {target.kind!r} does not say which nodes of vertices {vertices.kind!r} belong together; "
        f"use target {', '.join(fitting)}"
    )


def _no_teacher(recipe: Recipe) -> str | None:
    if not recipe.vertices.needs_teacher or recipe.teacher is not None:
        return None
    return f"vertices {recipe.vertices.kind!r} needs a momentum encoder; add teacher: {{momentum: 0.99}}"


def _reference_without_graphs(recipe: Recipe) -> str | None:
    if not recipe.target.reads_reference or not (recipe.affinity.edge or recipe.message_passing.reads_edges):
        return None
    return (
        f"target {recipe.target.kind!r} compares nodes without their graphs; use message_passing: unchanged, and no "
        "affinity.edge"
    )
