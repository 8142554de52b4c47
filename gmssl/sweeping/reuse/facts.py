"""What decides the numbers of a run and of its evaluations, as data that a person can read, and the digest of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from gmssl.errors import DataError, RecipeError
from gmssl.evaluation.selection import list_source
from gmssl.interfaces.data import Data, Images
from gmssl.recipe.recipe import Recipe
from gmssl.recipe.statistics import resolved
from gmssl.sweeping.folder import lasting
from gmssl.sweeping.labelled import LabelledSet
from gmssl.sweeping.reuse.files import Identity, identity, of_images, of_settings
from gmssl.sweeping.reuse.program import Hardware, plugins, program

Facts: TypeAlias = Mapping[str, Any]


def digest_of(facts: Facts) -> str:
    """SHA-256 of the facts, whatever the order of their keys."""
    return hashlib.sha256(canonical(facts).encode("utf-8")).hexdigest()


def canonical(value: object) -> str:
    """One text for all ways to write the same JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


class Survey:
    """Facts of runs at one moment: what several runs share is looked at once, so it must not be kept for later."""

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._program = program()
        self._seen: dict[str, Identity | None] = {}

    def training(self, recipe: Recipe) -> Facts | None:
        """Of a run of this recipe; None where images do not say which files they are read from, or there are none."""
        recipe = resolved(recipe)
        sources = {"data": recipe.data} | ({"probe.data": recipe.probe.data} if recipe.probe else {})
        images = {place: self._of_part(data) for place, data in sources.items()}
        if None in images.values():
            return None
        return {
            "recipe": lasting(recipe.model_dump(mode="json")),
            "program": self._program,
            "plugins": plugins(recipe),
            **self._hardware.of_training(recipe),
            "images": images,
            "files": of_settings(recipe),
        }

    def evaluation(self, recipe: Recipe, judged: LabelledSet, training: str) -> Facts | None:
        """Of an evaluation of a run on a labelled set; None as above.

        Args:
            recipe: of the run.
            judged: images and protocol.
            training: digest of the run.
        """
        own = recipe.probe.data if recipe.probe else recipe.data
        train = self._of_part(own) if judged.path is None else self._of_path(judged.path)
        test = None if judged.test is None else self._of_path(judged.test)
        if train is None or (judged.test is not None and test is None):
            return None
        return {
            "training": training,
            "folds": judged.folds if judged.test is None else None,
            "neighbours": judged.neighbours,
            "program": self._program,
            "plugins": plugins(recipe),
            **self._hardware.of_evaluation(),
            "images": {"train": train, "test": test},
        }

    def _of_part(self, data: Data) -> Identity | None:
        return self._once(canonical(data.model_dump(mode="json")), data.images)

    def _of_path(self, path: Path) -> Identity | None:
        """A CSV manifest counts beside its images: it bears their labels."""
        images = self._once(str(path), lambda: list_source(path))
        return images and {**images, "manifest": identity([path]) if path.is_file() else None}

    def _once(self, key: str, images: Callable[[], Images]) -> Identity | None:
        if key not in self._seen:
            try:
                self._seen[key] = of_images(images())
            except (DataError, RecipeError):  # the run itself tells it
                self._seen[key] = None
        return self._seen[key]
