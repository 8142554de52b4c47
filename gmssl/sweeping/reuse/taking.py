"""`--reuse DIR`: finished runs of other sweeps become runs of this one."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import TrainingError
from gmssl.recipe.recipe import Recipe
from gmssl.sweeping.folder import (
    SWEEP_FILE,
    SweepFolder,
    first_difference,
    flat,
    has_checkpoint,
    is_finished,
)
from gmssl.sweeping.labelled import LabelledSet
from gmssl.sweeping.reuse.digests import Digest, Digests, Kept, digest_of_weights, read_kept, write_kept
from gmssl.sweeping.reuse.facts import Facts, Survey
from gmssl.system.files import copy_whole, link_or_copy, replacing
from gmssl.system.json_text import json_text

_TAKING = ".taking-"
_REPLACED = (".safetensors", ".ckpt")
"""Files that are never written over, so that two sweeps can share their bytes; tables are appended to."""

_ELSEWHERE = "Give the folder of another sweep, or one whose sub-folders are sweeps."


def open_sources(given: Sequence[Path], own: Path) -> tuple[SweepFolder, ...]:
    """The sweeps that `--reuse` names, each once; `own`, the folder of this one, is none of them.

    Raises:
        TrainingError: no folder, one without sweeps, or this sweep itself.
    """
    found: dict[Path, SweepFolder] = {}
    for path in given:
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise TrainingError(f"--reuse {path} {what}. {_ELSEWHERE}")
        try:
            below = sorted(path.iterdir())
        except OSError as error:
            raise TrainingError(f"--reuse {path} cannot be listed: {error.strerror}. {_ELSEWHERE}") from None
        sweeps = [each for each in (path, *below) if os.path.isfile(each / SWEEP_FILE)]  # unreadable ones are none
        if not sweeps:
            names = ", ".join(each.name for each in below[:8]) or "nothing"
            raise TrainingError(f"--reuse {path} holds {names}, and no sweep (no {SWEEP_FILE}). {_ELSEWHERE}")
        if path.resolve() == own.resolve():
            raise TrainingError(f"--reuse {path} is this sweep itself, which keeps its runs anyway. {_ELSEWHERE}")
        found |= {sweep.resolve(): SweepFolder(sweep) for sweep in sweeps if sweep.resolve() != own.resolve()}
    return tuple(found.values())


@dataclass(frozen=True)
class Offer:
    """A finished run with a digest."""

    sweep: SweepFolder
    name: str
    kept: Kept

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.sweep.run(self.name)


def offers(sources: Sequence[SweepFolder]) -> Iterator[Offer]:
    """All runs that may be taken."""
    for sweep in sources:
        for path in sorted((sweep.root / "digests").glob("*.json")):
            kept = read_kept(path)
            if kept is not None and kept.weights is not None and is_finished(sweep.run(path.stem)):
                yield Offer(sweep, path.stem, kept)


def take_runs(
    wanted: Mapping[str, Recipe],
    judged: Sequence[LabelledSet],
    sources: Sequence[SweepFolder],
    digests: Digests,
    tell: Callable[[str], None],
) -> dict[str, Path]:
    """Take the runs that other sweeps have; called with the folder's lock held.

    A run is taken if it is finished and its digest is the wanted one's. One that has a checkpoint here already is left
    to go on. Evaluations come along where their digests are equal, too.

    Args:
        wanted: recipes of the sweep's runs by their names.
        judged: labelled sets that runs are evaluated on; none where they are not.
        sources: from `open_sources`.
        digests: of this sweep.
        tell: called with each line about what was taken, and why others were not.

    Returns:
        Run name → the sweep that it was taken from.
    """
    survey = Survey(digests.hardware)
    found: dict[str, Offer] = {}
    for offer in offers(sources):
        found.setdefault(offer.kept.training.digest, offer)
    taken: dict[str, Path] = {}
    reasons: Counter[str] = Counter()
    for name, recipe in wanted.items():
        folder = digests.folder.run(name)
        if is_finished(folder) or has_checkpoint(folder):
            continue
        own = Digest.of(survey.training(recipe))
        match = None if own is None else found.get(own.digest)
        if match is None:
            reasons[_why_not(None if own is None else own.facts, list(found.values()))] += 1
            continue
        reports = [(each.report, Digest.of(survey.evaluation(recipe, each, own.digest))) for each in judged if own]
        fault = _take(match, name, recipe, digests.folder, reports)
        if fault is None:
            taken[name] = match.sweep.root
        else:
            reasons[fault] += 1
    for root, number in Counter(taken.values()).items():
        tell(f"{_runs(number)} taken from {root}")
    for reason, number in reasons.items():
        tell(f"{_runs(number)} not taken: {reason}")
    return taken


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _why_not(own: Facts | None, there: Sequence[Offer]) -> str:
    """Of a wanted run; where others have its recipe, what else differs in the nearest of them."""
    if own is None:
        return "its images do not say which files they are read from"
    same = [offer.kept.training.facts for offer in there if offer.kept.training.facts.get("recipe") == own["recipe"]]
    if not same:
        return "no finished run with a digest has the same recipe and seed there"
    facts = flat(own)
    nearest = min((flat(other) for other in same), key=lambda other: len(other.items() ^ facts.items()))
    return f"the run there has {first_difference(nearest, facts)}"


def _take(
    offer: Offer, name: str, recipe: Recipe, target: SweepFolder, reports: Sequence[tuple[str, Digest | None]]
) -> str | None:
    """Fill a folder of another name and rename it, so that a run is there as a whole or not at all.

    Returns:
        None, or why it cannot be taken.
    """
    filled = target.root / "runs" / f".{name}{_TAKING}{secrets.token_hex(4)}"
    try:
        if digest_of_weights(offer.folder) != offer.kept.weights:
            return f"{offer.folder} was changed after its training"
        _fill(offer.folder, filled)
        same = {
            report: digest
            for report, digest in reports
            if digest is not None
            and (there := offer.kept.evaluations.get(report)) is not None
            and there.digest == digest.digest
            and _copy_report(offer, report, filled, target.run(name))
        }
        with replacing(target.recipe(name)) as file:
            file.write(recipe.dump().encode("utf-8"))
        write_kept(target.digest(name), Kept(offer.kept.training, offer.kept.weights, str(offer.folder), same))
        filled.rename(target.run(name))
    except OSError as error:
        return f"{offer.folder} cannot be copied ({error.strerror or error})"
    finally:
        shutil.rmtree(filled, ignore_errors=True)
    return None


def _fill(run: Path, filled: Path) -> None:
    """All but evaluations, which have digests of their own, and what a killed write left behind."""
    for folder, names, files in os.walk(run):
        place = filled / os.path.relpath(folder, run)
        place.mkdir(exist_ok=True)
        if Path(folder) == run:
            names[:] = [name for name in names if name != "evaluation" and not name.startswith(".")]
            files = [name for name in files if not name.startswith(".")]
        for name in files:
            source = Path(folder, name)
            if name.endswith(_REPLACED):
                link_or_copy(source, place / name)
            elif source.exists():  # a symbolic link may lead nowhere any more
                copy_whole(source, place / name)


def _copy_report(offer: Offer, report: str, filled: Path, run: Path) -> bool:
    """A report names the run that it is of; False if it is none."""
    try:
        document = json.loads(offer.sweep.run(offer.name).joinpath("evaluation", f"{report}.json").read_bytes())
        document["run"] = str(run)
    except (OSError, ValueError, TypeError):
        return False
    (filled / "evaluation").mkdir(exist_ok=True)
    with replacing(filled / "evaluation" / f"{report}.json") as file:
        file.write((json_text(document) + "\n").encode("utf-8"))
    return True


def remove_leftovers(folder: SweepFolder) -> None:
    """Folders that a sweep was killed in while it filled them; called with the folder's lock held."""
    for path in (folder.root / "runs").glob(f".*{_TAKING}*"):
        shutil.rmtree(path, ignore_errors=True)
