"""The folder of a sweep: what it is a sweep of, where its runs live, and who may work in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from gmssl.errors import RecipeError, TrainingError
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.recipe.statistics import resolved
from gmssl.sweeping.axes import RECIPE, VARIANT, Axis
from gmssl.sweeping.cells import cell_names
from gmssl.sweeping.labelled import LabelledSet, refuse_missing
from gmssl.sweeping.labelled import written as labelled_sets
from gmssl.system.files import replacing

SWEEP_FILE = "sweep.yaml"
LOCK_FILE = ".lock"
_WEIGHTS = "encoder.safetensors"
_LONGEST_NAME = 80
_OWN = ("runs", "recipes", "logs", "digests")


@dataclass(frozen=True)
class Definition:
    """What makes two sweeps the same one, and what the evaluations rest on.

    Attributes:
        settings: of the recipe, `--set` applied, without seed; with variants or several recipes, of each by its name.
        axes: of the grid.
        data: labelled images of the evaluations.
        evaluate: whether runs are evaluated.
    """

    settings: Mapping[str, Any]
    axes: tuple[Axis, ...]
    data: tuple[LabelledSet, ...]
    evaluate: bool

    @property
    def grid(self) -> dict[str, list[str]]:
        """Path → YAML texts of the values."""
        return {axis.path: list(axis.values) for axis in self.axes}

    def digest(self) -> str:
        """Of recipe and grid as they are written; `default_root` finds folders of another order, too."""
        return hashlib.sha256(_text([dict(self.settings), self.grid]).encode("utf-8")).hexdigest()[:8]


def _identity(settings: Mapping[str, Any], grid: Mapping[str, Sequence[str]]) -> str:
    """Equal for two sweeps that differ in the order of axes, variants and values only, or in `train.workers`."""
    return _text([lasting(settings, grid), {path: sorted(values) for path, values in grid.items()}])


def lasting(settings: Mapping[str, Any], grid: Mapping[str, object] = MappingProxyType({})) -> dict[str, Any]:
    """Settings without those that results do not depend on: `train.workers`."""
    if RECIPE in grid or VARIANT in grid:
        return {name: lasting(own or {}, {}) for name, own in settings.items()}
    train = settings.get("train")
    if not isinstance(train, Mapping) or "workers" not in train:
        return dict(settings)
    rest = {name: value for name, value in train.items() if name != "workers"}
    others = {name: value for name, value in settings.items() if name != "train"}
    return {**others, "train": rest} if rest else others


@dataclass(frozen=True)
class SweepFolder:
    """Paths in the folder of a sweep."""

    root: Path

    def run(self, name: str) -> Path:
        """A run folder."""
        return self.root / "runs" / name

    def recipe(self, name: str) -> Path:
        """The recipe that a run was started with."""
        return self.root / "recipes" / f"{name}.yaml"

    @property
    def logs(self) -> Path:
        """Of all runs."""
        return self.root / "logs"

    def log(self, name: str) -> Path:
        """What the processes of a run printed."""
        return self.logs / f"{name}.log"

    def digest(self, name: str) -> Path:
        """What decides the numbers of a run; see `gmssl.sweeping.reuse`."""
        return self.root / "digests" / f"{name}.json"

    def tasks(self, cluster: str) -> Path:
        """What was sent to a cluster, and what its tasks said."""
        return self.root / "jobs" / cluster

    def claim(self, name: str) -> Path:
        """The lock that a task holds while it works on a run."""
        return self.root / "jobs" / "claims" / name

    def evaluation(self, name: str, data: LabelledSet) -> Path:
        """The report of `gmssl evaluate`."""
        return self.run(name) / "evaluation" / f"{data.report}.json"

    @property
    def references(self) -> Path:
        """Judgements of untrained encoders and raw pixels, which runs share."""
        return self.root / "references"


def default_root(sources: Sequence[Path], definition: Definition) -> Path:
    """`runs/sweeps/<recipes>-<digest>`: it depends on recipes and grid only, so that the same command continues.

    The digest is of one way to write a sweep. One that was begun in another order of recipes, axes, variants or values
    is found by what its file says.
    """
    name = "+".join(source.stem for source in sources)
    if len(sources) > 1 and len(name) > _LONGEST_NAME:
        name = f"{sources[0].stem}+{len(sources) - 1}_more"
    home = Path("runs") / "sweeps"
    own = home / f"{name}-{definition.digest()}"
    if (own / SWEEP_FILE).exists():
        return own
    stems = sorted(source.stem for source in sources)
    names = {f"{stem}+{len(stems) - 1}_more" for stem in stems} if len(stems) > 1 else set()
    identity = _identity(definition.settings, definition.grid)
    for path in sorted(home.glob(f"*-????????/{SWEEP_FILE}")):
        other = path.parent.name[:-9]
        if (other in names or sorted(other.split("+")) == stems) and _identity_in(path) == identity:
            return path.parent
    return own


def _identity_in(path: Path) -> str | None:
    """That of the sweep which a file describes; None where it describes none."""
    try:
        written = _read(path)
    except TrainingError:
        return None
    return _identity(written["recipe"], written["grid"])


def refuse_other(root: Path, definition: Definition) -> None:
    """Before anything is written.

    Raises:
        TrainingError: a file, a folder with other things in it, or a sweep of another recipe or grid, or evaluated on
            other images.
    """
    if root.exists() and not root.is_dir():
        raise TrainingError(f"--out {root} is a file; name a folder that is new or empty.")
    path = root / SWEEP_FILE
    if not path.is_file():
        other = sorted(p.name for p in root.iterdir() if not _is_left_behind(p)) if root.is_dir() else []
        if other:
            names = ", ".join(other[:8])
            raise TrainingError(f"--out {root} holds {names}, and no sweep; name a folder that is new or empty.")
        return
    written = _read(path)
    grid = definition.grid
    before, now = lasting(written["recipe"], written["grid"]), lasting(definition.settings, grid)
    if RECIPE in grid or VARIANT in grid:  # new ones may be added
        now = {name: settings for name, settings in now.items() if name in before}
    difference = _missing(written["grid"], grid)
    name = "grid"
    if difference is None and _text(before) != _text(now):
        name, difference = "recipe", first_difference(before, now)
    if difference is not None:
        raise TrainingError(
            f"--out {root} belongs to another sweep: its {name} has {difference}. Name "
            "another folder, or repeat the command that made this one."
        )
    _refuse_renamed(root, written["grid"], definition.axes)
    if definition.evaluate and written["evaluate"]:
        refuse_missing(written["data"], definition.data, root)


def _missing(written: Mapping[str, Sequence[str]], own: Mapping[str, Sequence[str]]) -> str | None:
    """What a grid lacks of the one that was written, or an axis that it has besides; more values are no fault."""
    for path, values in written.items():
        if path not in own:
            return f"{path} {', '.join(values)}, this one absent"
        for at, value in enumerate(values):
            if value not in own[path]:
                return f"{path}.{at} {value}, this one absent"
    return next((f"{path} absent, this one {', '.join(own[path])}" for path in own if path not in written), None)


def _refuse_renamed(root: Path, written: Mapping[str, Sequence[str]], axes: Sequence[Axis]) -> None:
    """A new value must not change the names of runs that are there: they would be trained twice."""
    for axis in axes:
        former = written[axis.path]
        names = dict(zip(axis.values, cell_names([axis]), strict=True))
        for value, name in zip(former, cell_names([Axis(axis.path, tuple(former))]), strict=True):
            if names[value] != name:
                raise TrainingError(
                    f"--out {root} has runs called {name}, and with the values added to {axis.path} they would be "
                    f"called {names[value]}. Name another folder, or leave out values that differ from {value} in "
                    "case or punctuation only."
                )


def order_of_names(root: Path) -> tuple[str, ...]:
    """Paths of the axes in the order in which names of runs hold them; empty where no sweep is yet."""
    path = root / SWEEP_FILE
    return tuple(_read(path)["grid"]) if path.is_file() else ()


def _is_left_behind(path: Path) -> bool:
    """A sweep that was killed before its first file was whole leaves this, and nothing else."""
    return path.name == LOCK_FILE or path.name.startswith(f".{SWEEP_FILE}.")


def _read(path: Path) -> dict[str, Any]:
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); name another --out.") from None
    if not isinstance(written, dict) or not {"recipe", "grid", "data", "evaluate"} <= set(written):
        raise TrainingError(f"{path} was not written by a sweep; name another --out.")
    if not all(isinstance(written[key], dict) for key in ("recipe", "grid")) or not all(
        isinstance(values, list) and all(isinstance(value, str) for value in values)
        for values in written["grid"].values()
    ):
        raise TrainingError(f"{path} was changed: it holds no recipe, or no grid; name another --out.")
    return written


def first_difference(written: object, own: object) -> str:
    """`train.batch 64, this one 32`, for the first place where two settings differ."""
    found, given = flat(written), flat(own)
    for place in [*found, *(p for p in given if p not in found)]:
        if found.get(place) != given.get(place):
            return f"{place} {found.get(place, 'absent')}, this one {given.get(place, 'absent')}"
    return "the same values in another order"


def flat(settings: object, place: str = "") -> dict[str, str]:
    """Place → text of every single value of nested mappings and lists; an empty one counts as a value."""
    items: list[tuple[Any, Any]] = []
    if isinstance(settings, Mapping):
        items = list(settings.items())
    elif isinstance(settings, Sequence) and not isinstance(settings, str):
        items = list(enumerate(settings))
    if not items:
        return {place: "none" if settings is None else str(settings)}
    return {k: v for key, value in items for k, v in flat(value, f"{place}.{key}".lstrip(".")).items()}


def _text(settings: object) -> str:
    return yaml.safe_dump(settings, sort_keys=True, allow_unicode=True)


def write_definition(folder: SweepFolder, definition: Definition) -> None:
    """Write sweep.yaml, and make the folders beside it; called with the lock held.

    Raises:
        TrainingError: another process has meanwhile begun or widened a sweep here that this one does not go on with.
    """
    refuse_other(folder.root, definition)
    former = _read(folder.root / SWEEP_FILE) if (folder.root / SWEEP_FILE).is_file() else None
    evaluated = former is not None and bool(former["evaluate"])
    data = labelled_sets(definition.data)
    if former is not None and evaluated and not definition.evaluate:
        data = former["data"]  # this command does not evaluate; what others did still stands
    document = {
        "recipe": dict(definition.settings),
        "grid": {path: definition.grid[path] for path in (former["grid"] if former is not None else definition.grid)},
        "evaluate": definition.evaluate or evaluated,
        "data": data,
    }
    with replacing(folder.root / SWEEP_FILE) as file:
        file.write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100).encode("utf-8"))
    for name in _OWN:
        (folder.root / name).mkdir(exist_ok=True)


@contextlib.contextmanager
def locked(root: Path, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the folder alone; yields the file that processes of runs must inherit, so that they hold it as well.

    A killed sweep may leave a run behind that is still writing its last checkpoint: the next sweep waits for it here.

    Args:
        root: of the sweep; exists.
        waiting: called once if the folder is not free.
    """
    lock = os.open(root / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    waiting()
                told = True
                time.sleep(0.2)
            except OSError:
                break  # a file system without locks
        yield lock
    finally:
        os.close(lock)


def is_finished(run: Path) -> bool:
    """Whether a run has done all its steps: its weights are written last."""
    return (run / _WEIGHTS).is_file()


def refuse_other_recipe(run: Path, recipe: Recipe) -> None:
    """A run that is there must be one of the recipe that it is reported under.

    Raises:
        TrainingError: it has another recipe, or one that does not load (any more).
    """
    path = run / "recipe.yaml"
    if not path.is_file():
        return
    remedy = f"Remove {run}, or name another --out."
    try:
        written = load_recipe(path)
    except RecipeError as error:
        raise TrainingError(f"{error}\nThe run was made by another version, or changed. {remedy}") from None
    recipe = resolved(recipe)  # as training has written it
    train = written.train.model_copy(update={"workers": recipe.train.workers})  # results do not depend on them
    written = written.model_copy(update={"train": train})
    if written != recipe:
        difference = first_difference(written.model_dump(mode="json"), recipe.model_dump(mode="json"))
        raise TrainingError(f"{run} is a run of another recipe: it has {difference}. {remedy}")


def has_checkpoint(run: Path) -> bool:
    """Whether there is something to go on from; what a run wrote before its first checkpoint is removed.

    A run that was killed while its folder was made may lack any of its first files, so it starts anew in an empty one.
    """
    if any((run / name).exists() for name in ("last.ckpt", "checkpoints", _WEIGHTS)):
        return True
    if run.exists():
        shutil.rmtree(run)
    return False
