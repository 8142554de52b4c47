"""Which program makes the numbers of a run: versions, and the source of gmssl and of plugins as it lies on the disk.

A version says too little while a program is worked on: two commits of one version may train differently.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from gmssl.interfaces.part import Part
from gmssl.interfaces.registry import source
from gmssl.recipe.recipe import Recipe
from gmssl.sweeping.process import threads_of
from gmssl.sweeping.reuse.files import nested
from gmssl.system.machine import processor
from gmssl.training.folder import versions

_WITHOUT_NUMBERS = ("benchmarking", "commands", "explaining", "sweeping", "testing")
"""Rooms of gmssl that neither trainings nor evaluations enter."""


def program() -> dict[str, object]:
    """Versions of gmssl and of the packages that it computes with, and its source."""
    own = {"version": version("gmssl"), "source": _source("gmssl", _WITHOUT_NUMBERS)}
    return {"gmssl": own, "packages": versions()}


def plugins(recipe: Recipe) -> dict[str, object]:
    """Likewise of each plugin that gives a part of the recipe."""
    found: dict[str, object] = {}
    for _, _, part in nested(recipe):
        package = type(part).__module__.partition(".")[0]
        if isinstance(part, Part) and package not in ("gmssl", *found):
            name = source(part.slot, part.kind)
            found[package] = {"version": name, "source": _source(package), "needs": _needs(name.partition(" ")[0])}
    return found


def _source(package: str, without: tuple[str, ...] = ()) -> str:
    """Digest of all files of a package that is imported."""
    module = sys.modules[package]
    folders = [Path(folder) for folder in getattr(module, "__path__", ())]
    files = [(path, path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if path.is_file()]
    if not folders:
        files = [(Path(str(module.__file__)), Path(package))]
    digest = hashlib.sha256()
    for path, name in sorted(files):
        if "__pycache__" not in name.parts and name.parts[0] not in without:
            content = path.read_bytes()
            digest.update(f"{name.as_posix()}\0{len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _needs(distribution: str) -> dict[str, str | None]:
    """Versions of what a plugin is built upon, such as the library of a solver."""
    try:
        needs = requires(distribution) or []
    except PackageNotFoundError:  # entry points without a distribution have no name
        needs = []
    return versions(sorted({re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in needs} - {"gmssl"}))


@dataclass(frozen=True)
class Hardware:
    """What runs of a sweep are trained and evaluated on.

    Sums of floats depend on the processor and on how many threads share them, so both count wherever torch or the
    classifiers compute on the processor; on a GPU, its name does.

    Attributes:
        jobs: runs at a time, which share the cores.
    """

    jobs: int

    @cached_property
    def threads(self) -> int:
        """Of torch, in the process of a run."""
        import torch

        own = {} if "OMP_NUM_THREADS" in os.environ else threads_of(self.jobs)
        return int(own.get("OMP_NUM_THREADS", torch.get_num_threads()))

    @cached_property
    def gpus(self) -> list[str]:
        """Their names; asked for in a process that ends, since memory of the first GPU is taken by whoever asks."""
        import torch

        if not torch.cuda.is_available():
            return []
        asked = "import torch; print(*map(torch.cuda.get_device_name, range(torch.cuda.device_count())), sep='\\n')"
        done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
        return done.stdout.split("\n")[:-1]

    def of_training(self, recipe: Recipe) -> dict[str, object]:
        """Devices of a run, and threads where they decide: on the processor, and in the kNN probe."""
        gpus = self.gpus if recipe.train.accelerator != "cpu" else []
        devices = gpus[: recipe.train.devices // recipe.train.nodes] or [processor()]
        return {"devices": devices, "threads": None if gpus and recipe.probe is None else self.threads}

    def of_evaluation(self) -> dict[str, object]:
        """The device of the encoders, and what classifiers are fitted on."""
        return {"devices": [*self.gpus[:1], processor()], "threads": self.threads}
