"""Digests of the runs of a sweep, kept beside them: made when a run begins, and valid if they are equal at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gmssl.recipe.recipe import Recipe
from gmssl.sweeping.folder import SweepFolder
from gmssl.sweeping.labelled import LabelledSet
from gmssl.sweeping.reuse.facts import Facts, Survey, digest_of
from gmssl.sweeping.reuse.program import Hardware
from gmssl.system.files import replacing, sha256_of

WEIGHTS = "encoder.safetensors"


@dataclass(frozen=True)
class Digest:
    """A digest with the facts that it is of."""

    digest: str
    facts: Facts

    @classmethod
    def of(cls, facts: Facts | None) -> Digest | None:
        """None where there are no facts."""
        return None if facts is None else cls(digest_of(facts), facts)


@dataclass(frozen=True)
class Kept:
    """The file of a run.

    Attributes:
        training: when the run began.
        weights: SHA-256 of its encoder.safetensors; None until it has ended and its facts are found to be the same.
        taken_from: the run folder that it was taken from; None for one that was trained here.
        evaluations: by the name of the report.
    """

    training: Digest
    weights: str | None = None
    taken_from: str | None = None
    evaluations: Mapping[str, Digest] = field(default_factory=dict)


_FORM = TypeAdapter(Kept)


def read_kept(path: Path) -> Kept | None:
    """None where there is no such file, or another one."""
    try:
        return _FORM.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_kept(path: Path, kept: Kept) -> None:
    """Whole or not at all."""
    with replacing(path) as file:
        file.write(_FORM.dump_json(kept, indent=2) + b"\n")


def digest_of_weights(run: Path) -> str:
    """SHA-256 of a finished run's encoder."""
    return sha256_of(run / WEIGHTS)


@dataclass(frozen=True)
class Digests:
    """Those of a sweep; different runs may be written at the same time.

    Attributes:
        folder: of the sweep.
        hardware: that it runs on.
    """

    folder: SweepFolder
    hardware: Hardware

    def begin(self, name: str, recipe: Recipe, resumed: bool) -> None:
        """Before a training. One that goes on under other facts than it began under gets no digest."""
        path = self.folder.digest(name)
        now = Digest.of(Survey(self.hardware).training(recipe))
        kept = read_kept(path)
        if now is None or (resumed and (kept is None or kept.training.digest != now.digest)):
            path.unlink(missing_ok=True)
        else:
            write_kept(path, Kept(now))

    def end(self, name: str, recipe: Recipe) -> None:
        """After a training; also later, where the sweep was killed in between."""
        path = self.folder.digest(name)
        kept = read_kept(path)
        if kept is None or kept.weights is not None:
            return
        now = Digest.of(Survey(self.hardware).training(recipe))
        if now is None or now.digest != kept.training.digest:
            path.unlink(missing_ok=True)  # images, settings' files or the program changed meanwhile
        else:
            write_kept(path, replace(kept, weights=digest_of_weights(self.folder.run(name))))

    def around_evaluation(
        self, name: str, recipe: Recipe, judged: LabelledSet, evaluate: Callable[[], str | None]
    ) -> str | None:
        """Evaluate a finished run; the report gets a digest if the run has one, and nothing changed meanwhile.

        Returns:
            What `evaluate` does: None if it ended well, else why not.
        """
        path = self.folder.digest(name)
        kept = read_kept(path)
        before = None if kept is None or kept.weights is None else self._evaluation(kept, recipe, judged)
        fault = evaluate()
        if kept is not None and before is not None and fault is None:
            now = self._evaluation(kept, recipe, judged)
            if now is not None and now.digest == before.digest:
                write_kept(path, replace(kept, evaluations={**kept.evaluations, judged.report: now}))
        return fault

    def _evaluation(self, kept: Kept, recipe: Recipe, judged: LabelledSet) -> Digest | None:
        return Digest.of(Survey(self.hardware).evaluation(recipe, judged, kept.training.digest))
