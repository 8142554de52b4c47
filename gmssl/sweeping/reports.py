"""Reports of `gmssl evaluate`, read back, and whether two of them judge by the same images and the same protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmssl.errors import DataError

_SETS = ("protocol", "train", "test")
_FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class Evaluation:
    """What a report says.

    Attributes:
        path: of the JSON file.
        sets: protocol, training images and test images, as written.
        scores: (features, classifier, "accuracy" or "de-leaked") → accuracy in 0..1.
    """

    path: Path
    sets: Mapping[str, Any]
    scores: Mapping[tuple[str, str, str], float]


def read_report(path: Path) -> Evaluation:
    """A report.

    Raises:
        DataError: it cannot be read, or is none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        scores = {
            (str(reference["name"]), classifier, what): accuracy
            for reference in document["references"]
            for classifier in ("knn", "linear")
            for what, accuracy in _accuracies(reference["scores"][classifier]).items()
        }
        return Evaluation(path, {name: document[name] for name in _SETS}, scores)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no report of an evaluation ({type(error).__name__}: {error}). Remove it, or evaluate the run "
            "again."
        ) from None


def _accuracies(scores: Mapping[str, Any]) -> dict[str, float]:
    """Of a cross-validation or of a test set."""
    if "official" not in scores:
        return {"accuracy": float(scores["accuracy"]["mean"])}
    clean = scores["without_leaks"]
    found = {"accuracy": float(scores["official"]["accuracy"])}
    return found if clean is None else found | {"de-leaked": float(clean["accuracy"])}


def refuse_other_sets(evaluations: Sequence[Evaluation], remedy: str) -> None:
    """Accuracies on different images, or by different protocols, must not stand in one table.

    Raises:
        DataError: two evaluations differ; the message names both and what differs.
    """
    for other in evaluations[1:]:
        differences = _differences(evaluations[0].sets, other.sets)
        if differences:
            raise DataError(
                f"{evaluations[0].path} and {other.path} are not comparable, they differ in "
                f"{'; '.join(differences)}. {remedy}"
            )


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    found = []
    for name in _SETS:
        one, two = first[name], other[name]
        what = name if name == "protocol" else f"{name} images"
        if one is None or two is None:
            if one is not two:
                found.append(f"{what}: {'some' if one else 'none'} and {'some' if two else 'none'}")
        elif one.get(_FINGERPRINT) is None or one.get(_FINGERPRINT) != two.get(_FINGERPRINT):
            # A report of an older version has no fingerprint; what both of them have decides.
            keys = [key for key in one if key in two and one[key] != two[key]]
            plain = [key for key in keys if key != _FINGERPRINT] or keys
            found += [f"{what}: {key} {_brief(one[key])} and {_brief(two[key])}" for key in plain]
    return found


def _brief(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
