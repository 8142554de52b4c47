"""Whether the parts of a recipe fit together: faults that a part alone cannot see, told before anything runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gmssl.errors import PluginError
from gmssl.interfaces.registry import find, kinds

if TYPE_CHECKING:
    from gmssl.objective.settings import MatchingSettings, ObjectiveSettings


def faults(recipe: ObjectiveSettings, images: int) -> Iterator[str]:
    """Each fault of an objective, with its remedy and its place; `images` in one forward pass on one device."""
    for place, matching in recipe.matchings:
        for fault in (
            _zero_gradients(matching),
            _constant_solver(matching),
            _unread_edges(matching),
            _edges_of_nothing(matching),
            _untrained_nodes(matching),
            _maps_of_nothing(matching),
            _another_space(matching),
            _another_truth(matching),
            _no_teacher(matching, recipe),
            _reference_without_graphs(matching),
            matching.vertices.fault(images),
        ):
            if fault:
                yield f"{place.removesuffix('.')}: {fault}" if place else fault
    fault = recipe.views.fault(recipe.encoder.in_channels)
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


def _zero_gradients(matching: MatchingSettings) -> str | None:
    if not matching.estimator.differentiates_solver or matching.solver.differentiable:
        return None
    relaxed = _kinds_where("solver", "differentiable", True)
    others = _kinds_where("estimator", "differentiates_solver", False)
    return (
        f"estimator {matching.estimator.kind!r} with the piecewise-constant solver {matching.solver.kind!r} would give "
        f"zero gradients everywhere; use estimator {', '.join(others)}, or a differentiable solver "
        f"({', '.join(relaxed)})"
    )


def _unread_edges(matching: MatchingSettings) -> str | None:
    if not matching.affinity.edge or matching.solver.uses_edges:
        return None
    readers = _kinds_where("solver", "uses_edges", True)
    return (
        f"affinity.edge has {len(matching.affinity.edge)} term(s), but solver {matching.solver.kind!r} does not read "
        f"edge costs; remove them, or use a second-order solver: {', '.join(readers)}"
    )


def _edges_of_nothing(matching: MatchingSettings) -> str | None:
    if not matching.affinity.edge or matching.graph.has_edges:
        return None
    return f"affinity.edge scores edges, but graph {matching.graph.kind!r} has none; use graph knn, or remove the terms"


def _untrained_nodes(matching: MatchingSettings) -> str | None:
    if any(term.reads_nodes for term in (*matching.affinity.vertex, *matching.affinity.edge)):
        return None
    return (
        "no affinity reads the node embeddings, so projector and message passing would never train; add a term that "
        "does, such as cosine, to affinity.vertex"
    )


def _another_space(matching: MatchingSettings) -> str | None:
    """Heads that do not tell their width are asked when they are built, see `make_objective`."""
    if matching.predictor is None:
        return None
    return unequal_widths(matching, matching.predictor.width(), matching.projector.width())


def unequal_widths(matching: MatchingSettings, predictor: int | None, projector: int | None) -> str | None:
    """Predicted nodes meet those of the teacher, remembered or learnt ones, all as wide as the projector.

    Only where both sides hold both views of the student are all of them predicted; layers of message passing are still
    as wide as the projector.
    """
    predicted = matching.vertices.truth == "halves" and not matching.message_passing.reads_edges
    if matching.predictor is None or predicted or predictor is None or projector is None or predictor == projector:
        return None
    return (
        f"predictor {matching.predictor.kind!r} gives {predictor} channels and projector {matching.projector.kind!r} "
        f"{projector}, but their embeddings are matched with each other; make both the same, as by {projector} at the "
        "end of predictor.widths"
    )


def _maps_of_nothing(matching: MatchingSettings) -> str | None:
    readers = [term.kind for term in (*matching.affinity.vertex, *matching.affinity.edge) if term.reads_maps]
    if not readers or matching.vertices.are_images:
        return None
    images = _kinds_where("vertices", "are_images", True)
    return (
        f"affinity {readers[0]!r} compares the maps of images, and vertices {matching.vertices.kind!r} are none; use "
        f"vertices {', '.join(images)}, or remove the term"
    )


def _constant_solver(matching: MatchingSettings) -> str | None:
    if not matching.solver.constant or matching.loss.reads_costs:
        return None
    readers = _kinds_where("loss", "reads_costs", True)
    return (
        f"solver {matching.solver.kind!r} does not look at the costs and loss {matching.loss.kind!r} looks at nothing "
        f"else, so that nothing would train; use loss {', '.join(readers)}, or another solver"
    )


def _another_truth(matching: MatchingSettings) -> str | None:
    vertices, target = matching.vertices, matching.target
    if vertices.truth == target.truth:
        return None
    fitting = _kinds_where("target", "truth", vertices.truth)
    return (
        f"target {target.kind!r} does not say which nodes of vertices {vertices.kind!r} belong together; "
        f"use target {', '.join(fitting)}"
    )


def _no_teacher(matching: MatchingSettings, recipe: ObjectiveSettings) -> str | None:
    if not matching.vertices.needs_teacher or recipe.teacher is not None:
        return None
    return f"vertices {matching.vertices.kind!r} needs a momentum encoder; add teacher: {{momentum: 0.99}}"


def _reference_without_graphs(matching: MatchingSettings) -> str | None:
    if not matching.target.reads_reference or not (matching.affinity.edge or matching.message_passing.reads_edges):
        return None
    return (
        f"target {matching.target.kind!r} compares nodes without their graphs; use message_passing: unchanged, and no "
        "affinity.edge"
    )
