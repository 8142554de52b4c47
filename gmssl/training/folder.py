"""Run folders are made when nothing that can be known beforehand stands against the run, and opened again to resume."""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.errors import RecipeError, TrainingError
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.system.cluster.steps import rank, started_together
from gmssl.system.files import replacing
from gmssl.system.json_text import json_text
from gmssl.system.table import Table

if TYPE_CHECKING:
    import torch
    from rich.console import Console

FOLDER_VARIABLE = "GMSSL_RUN_FOLDER"
CLAIM = ".claim"
"""The file that a run makes when it begins in a folder, and removes when its first files are there."""
_PACKAGES = (
    "torch",
    "torchvision",
    "torch-geometric",
    "lightning",
    "torchdata",
    "timm",
    "kornia",
    "numba",
    "numpy",
    "scipy",
    "scikit-learn",
    "pygmtools",
    "torchmetrics",
    "pillow",
    "tifffile",
    "imagecodecs",
    "pydantic",
    "safetensors",
)


def choose_folder(name: str, out: Path | None) -> Path:
    """Where a new run will live; nothing is made yet, and without `out` `make_folder` may have to add a number.

    Raises:
        TrainingError: `out` holds something already, or ranks started from outside would choose different folders.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    if out is not None:
        if rank() == 0:
            _refuse_used(out)
        return out
    if started_together() > 1:
        raise TrainingError(
            "several processes were started from outside (torchrun, SLURM); name one folder with --out."
        )
    return Path("runs") / name / datetime.now().strftime("%Y%m%d-%H%M%S")


def _refuse_used(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise TrainingError(f"--out {out} is a file; name a folder that is new or empty.")
    if out.is_dir() and any(out.iterdir()):
        run = (out / "recipe.yaml").is_file()
        remedy = f", or go on with that run: --resume {out}" if run else " that is new or empty"
        raise TrainingError(f"--out {out} exists and is not empty; name another folder{remedy}.")


def discard(folder: Path) -> None:
    """Remove a new run folder, unless it holds a checkpoint, a row of metrics, or the list of unreadable images."""
    if not any((folder / name).exists() for name in ("last.ckpt", "metrics.csv", "unreadable.csv")):
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path, recipe: Recipe, encoder: torch.nn.Module | None = None, numbered: bool = False) -> Path:
    """Make a run folder with its recipe and its environment; of runs that start together, each gets its own.

    Args:
        folder: from `choose_folder`.
        recipe: recipe of the run.
        encoder: encoder of the run; the origin of its weights is written down, too.
        numbered: whether `folder-2`, `folder-3`, … will do if the folder exists; else it may exist, if it is empty.

    Returns:
        The folder that was made.

    Raises:
        TrainingError: the folder cannot be made, or another run has just made it.
    """
    try:
        folder = _new(folder) if numbered else folder
    except OSError as error:
        raise TrainingError(f"the folder {folder} cannot be made ({error.strerror}); name another --out.") from None
    with making(folder), _claimed(folder):
        with replacing(folder / "recipe.yaml") as file:
            file.write(recipe.dump().encode("utf-8"))
        with replacing(folder / "environment.json") as file:
            known = environment(recipe) | {"encoder_weights": _origin(encoder)}
            file.write((json_text(known) + "\n").encode("utf-8"))
    return folder


def _new(folder: Path) -> Path:
    """Make the first of `folder`, `folder-2`, … that nobody has; mkdir decides, because only one process succeeds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        candidate = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with contextlib.suppress(FileExistsError):
            candidate.mkdir()
            return candidate
    raise AssertionError("itertools.count has no end")


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold a folder that must be empty alone, until the first files of the run are there for others to see.

    The empty folder that a user names may be named twice; a file that only one process can make decides between them.
    """
    claim = folder / CLAIM
    try:
        claim.open("xb").close()
    except FileExistsError:
        raise TrainingError(f"--out {folder} is being used by another run; name another folder.") from None
    try:
        if any(path.name != CLAIM for path in folder.iterdir()):
            raise TrainingError(f"--out {folder} was empty, and another run has just begun there; name another folder.")
        yield
    finally:
        claim.unlink(missing_ok=True)


def _origin(encoder: torch.nn.Module | None) -> object:
    """The tensors and the file that an encoder began with; None for random weights."""
    loaded = getattr(encoder, "loaded", None)
    return None if loaded is None else loaded.to_json()


@contextlib.contextmanager
def making(folder: Path) -> Iterator[None]:
    """Make the folder of a run or a sweep, and in the block its first files.

    Raises:
        TrainingError: the system refuses any of them, for example because a part of the path is a file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise TrainingError(f"the folder {folder} cannot be made ({error.strerror}); name another --out.") from None


def open_folder(folder: Path, given: Recipe, console: Console) -> Recipe:
    """The recipe of an existing run.

    The run keeps its own recipe; settings in which the given one differs are named and ignored.

    Raises:
        TrainingError: there is no folder, or no run in it.
        RecipeError: its recipe does not load (any more).
    """
    path = folder / "recipe.yaml"
    if not path.is_file():
        what = "has no recipe.yaml" if folder.is_dir() else "is a file" if folder.exists() else "does not exist"
        raise TrainingError(f"--resume {folder}: it is no run folder: it {what}. Give a folder that training has made.")
    try:
        recipe = load_recipe(path)
    except RecipeError as error:
        raise RecipeError(f"{error}\nThe run was made by another version, or the file was changed.") from None
    differences = _differences(given.model_dump(mode="json"), recipe.model_dump(mode="json"))
    if differences:
        console.print(
            f"warning: {folder} goes on with its own recipe; ignored: {', '.join(differences)}. To change settings, "
            "start a new run.",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    return recipe


def rewind(folder: Path, step: int) -> None:
    """Cut the tables of a run back to a checkpoint, and remove what a killed write left behind."""
    for name in ("metrics.csv", "timing.csv", "probe.csv"):
        if (folder / name).is_file():
            Table(folder / name).truncate(step)
    for pattern in (".last.ckpt.*", ".*.csv.*", ".*.png.*", ".*.safetensors.*"):
        for stale in folder.glob(pattern):
            stale.unlink(missing_ok=True)


def environment(recipe: Recipe) -> dict[str, object]:
    """What a run depends on besides its recipe."""
    import torch

    revision = _git("rev-parse", "HEAD")
    return {
        "gmssl": _version("gmssl"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
        "git_revision": revision,
        "git_changes": bool(_git("status", "--porcelain")) if revision else None,
        "seed": recipe.seed,
        "command": sys.argv,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions(packages: Sequence[str] = _PACKAGES) -> dict[str, str | None]:
    """Of packages, by default those that the numbers of a run depend on; None for one that is not installed."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Output of git in the folder the package was imported from; None where that is no working tree."""
    place = Path(__file__).parent
    try:
        done = subprocess.run(["git", *arguments], cwd=place, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _differences(given: object, own: object, place: str = "") -> list[str]:
    """Places where two dumped recipes differ, as `place (given, run has own)`."""
    if isinstance(given, dict) and isinstance(own, dict):
        found = []
        for key in [*own, *(k for k in given if k not in own)]:
            found += _differences(given.get(key), own.get(key), f"{place}.{key}".lstrip("."))
        return found
    return [] if given == own else [f"{place} ({given!r}, the run has {own!r})"]
