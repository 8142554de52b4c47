"""What the run is: recipe, parts, images, versions, final numbers, curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gmssl.explaining.markup import Html, figure, join, paragraph, table, tag
from gmssl.explaining.pictures import Picture
from gmssl.explaining.report import Report
from gmssl.explaining.sample import NAMELESS
from gmssl.explaining.wording import number, percent
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


def run_section(report: Report) -> Html:
    """Tables of what was trained."""
    parts = table(("slot", "part", "settings that are not the default"), _parts(report), "Parts of the method", 3)
    facts = table(("fact", "value"), _facts(report), "The run", 2)
    return join((facts, parts, _final(report)))


def curves_section(report: Report, pictures: Mapping[str, Picture]) -> Html:
    """Learning curves."""
    if "curves" not in pictures:
        return paragraph("metrics.csv has no rows.")
    probed = " and the probe's kNN accuracy" if Table(report.run.folder / "probe.csv").rows() else ""
    return figure(
        pictures["curves"],
        f"Learning curves over optimiser steps: loss, match accuracy, gradient norm, feature rank{probed}",
        f"From metrics.csv{' and probe.csv' if probed else ''}, in training mode: match accuracy under noise, without "
        "noise, and by chance, loss, feature rank, within-graph cosine, duality gap and certified share where the run "
        "has them. A panel is missing where the run's parts give no such number or it was the same at every step.",
    )


def _facts(report: Report) -> Iterator[tuple[object, object]]:
    run, sample = report.run, report.sample
    recipe = run.recipe
    environment = _environment(report)
    yield "folder", tag("code", run.folder)
    if "command" in environment:
        words = [str(word) for word in environment["command"]]
        yield "command", tag("code", " ".join(["gmssl", *words[1:]]))
    yield "protocol, seed", f"{recipe.protocol}, {recipe.seed}"
    yield "trained", f"{run.steps:,} optimiser steps of {recipe.train.batch} images".replace(",", "\u202f")
    by = f", grouped by {sample.grouped_by}" if sample.grouped_by else ""
    skipped = f"; {sample.unreadable} unreadable ones passed over" if sample.unreadable else ""
    yield "looked at here", f"{len(sample.images)} of {sample.listed} images{by}{skipped}"
    weights = sum(p.numel() for p in run.objective.parameters())
    yield "weights", f"{weights:,}".replace(",", "\u202f")
    if "started" in environment:
        yield "started", str(environment["started"])
    packages = environment.get("packages", {})
    versions = {"gmssl": environment.get("gmssl"), "python": environment.get("python"), **packages}
    shown = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if shown:
        yield "versions", shown


def _environment(report: Report) -> dict[str, Any]:
    try:
        found = json.loads((report.run.folder / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # runs of other versions, folders that were tidied
        return {}
    return found if isinstance(found, dict) else {}


def _parts(report: Report) -> Iterator[tuple[object, object, object]]:
    recipe = report.run.recipe
    for slot in _SLOTS:
        value = getattr(recipe, slot)
        if value is None or value == () or (slot == "margin" and not value):
            continue
        if slot == "affinity":
            for term in (*value.vertex, *value.edge):
                yield f"affinity.{term.scores}", term.kind, _settings(term)
        elif isinstance(value, tuple):
            for each in value:
                yield slot, getattr(each, "kind", ""), _settings(each)
        else:
            yield slot, getattr(value, "kind", ""), _settings(value)


def _settings(value: Any) -> Html:
    if not hasattr(value, "model_dump"):
        return tag("code", value)
    given = {k: v for k, v in value.model_dump(mode="json", exclude_defaults=True).items() if k != "kind"}
    return tag("code", _flow(given)[1:-1]) if given else Html("")


def _flow(value: object) -> str:
    """YAML's short form, as recipes are written."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "none"}[value]
    return str(value)


def _final(report: Report) -> Html:
    folder = report.run.folder
    rows = Table(folder / "metrics.csv").rows()
    found: list[tuple[object, object]] = []
    if rows:
        for name, text in rows[-1].items():
            if text and name not in ("step", "epoch"):
                value = float(text)
                found.append((name.replace("_", " "), percent(value) if name in _SHARES else number(value)))
    probed = Table(folder / "probe.csv")
    if probed.rows():
        accuracy = probed.numbers("knn_accuracy")
        found.append(("kNN accuracy, untrained encoder", percent(accuracy[0])))
        found.append(("kNN accuracy, trained encoder", percent(accuracy[-1])))
    if not found:
        return Html("")
    return table(("number", "value"), found, "Final numbers: the last rows of metrics.csv and probe.csv")


def named(group: str) -> object:
    """A group's name; that of images without one in italics."""
    return tag("em", group) if group == NAMELESS else group
