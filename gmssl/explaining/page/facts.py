"""What the run is: recipe, parts, versions, final numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmssl.explaining.report import Report
from gmssl.recipe.recipe import Recipe
from gmssl.system.table import Table

_SLOTS = (
    "data", "views", "encoder", "teacher", "projector", "predictor", "vertices", "graph", "message_passing",
    "affinity", "target", "margin", "solver", "estimator", "loss", "regularisers", "further", "optimiser", "schedule",
    "train", "probe",
)  # fmt: skip
_SHARES = {
    "match_accuracy", "match_accuracy_noiseless", "match_accuracy_chance", "zero_difference_edges", "certified",
    "target_is_truth",
}  # fmt: skip


@dataclass(frozen=True)
class PartFact:
    """What stands in a slot.

    Attributes:
        slot: its name; terms of the affinity name what they score, too.
        kind: of the part; empty for settings that are no part.
        settings: that are not the default, as recipes are written; empty if there are none.
    """

    slot: str
    kind: str
    settings: str


@dataclass(frozen=True)
class FinalNumber:
    """A number of the last row of a table.

    Attributes:
        name: of its column, in words.
        value: itself.
        share: whether it is one of a whole.
    """

    name: str
    value: float
    share: bool


@dataclass(frozen=True)
class Facts:
    """The run.

    Attributes:
        folder: the run folder.
        command: that trained; None where nobody wrote it down.
        protocol, seed: of the recipe.
        steps: optimiser steps that were done.
        batch: images of a step.
        weights: how many are trained.
        started: when; None where nobody wrote it down.
        versions: of gmssl, Python and packages, by name.
        parts: of the recipe.
        final: the last rows of metrics.csv and probe.csv.
        probed: whether the run has a probe.
    """

    folder: str
    command: str | None
    protocol: str
    seed: int
    steps: int
    batch: int
    weights: int
    started: str | None
    versions: Mapping[str, str]
    parts: tuple[PartFact, ...]
    final: tuple[FinalNumber, ...]
    probed: bool


def facts_of(report: Report) -> Facts:
    """The facts of a report's run."""
    run = report.run
    written = _environment(run.folder)
    words = written.get("command")
    versions = {"gmssl": written.get("gmssl"), "python": written.get("python"), **written.get("packages", {})}
    return Facts(
        folder=str(run.folder),
        command=None if words is None else " ".join(["gmssl", *map(str, words[1:])]),
        protocol=run.recipe.protocol,
        seed=run.recipe.seed,
        steps=run.steps,
        batch=run.recipe.train.batch,
        weights=sum(p.numel() for p in run.objective.parameters()),
        started=str(written["started"]) if "started" in written else None,
        versions={name: str(version) for name, version in versions.items() if version},
        parts=tuple(_parts(run.recipe)),
        final=tuple(_final(run.folder)),
        probed=bool(Table(run.folder / "probe.csv").rows()),
    )


def _environment(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # runs of other versions, folders that were tidied
        return {}
    return found if isinstance(found, dict) else {}


def _parts(recipe: Recipe) -> Iterator[PartFact]:
    for slot in _SLOTS:
        value = getattr(recipe, slot)
        if value is None or value == () or (slot == "margin" and not value):
            continue
        if slot == "affinity":
            for term in (*value.vertex, *value.edge):
                yield PartFact(f"affinity.{term.scores}", term.kind, _settings(term))
        else:
            for each in value if isinstance(value, tuple) else (value,):
                yield PartFact(slot, getattr(each, "kind", ""), _settings(each))


def _settings(value: Any) -> str:
    if not hasattr(value, "model_dump"):
        return str(value)
    given = value.model_dump(mode="json", exclude_defaults=True)
    return short_form({key: inner for key, inner in given.items() if key != "kind"})[1:-1]


def short_form(value: object) -> str:
    """A setting in YAML's short form, as recipes are written."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {short_form(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(short_form, value)) + "]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "none"}[value]
    return str(value)


def _final(folder: Path) -> Iterator[FinalNumber]:
    rows = Table(folder / "metrics.csv").rows()
    for name, text in rows[-1].items() if rows else ():
        if text and name not in ("step", "epoch"):
            yield FinalNumber(name.replace("_", " "), float(text), name in _SHARES)
    probed = Table(folder / "probe.csv")
    if probed.rows():
        accuracy = probed.numbers("knn_accuracy")
        yield FinalNumber("kNN accuracy, untrained encoder", accuracy[0], True)
        yield FinalNumber("kNN accuracy, trained encoder", accuracy[-1], True)
