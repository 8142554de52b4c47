"""Checkpoints, read without running code. Free of Lightning, which takes seconds to import."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from gmssl.errors import TrainingError
from gmssl.system.workers import of_the_machine


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; only tensors and plain types are accepted, so that reading never runs code.

    Raises:
        TrainingError: the file does not exist, is damaged, or holds anything else.
    """
    if not path.is_file():
        raise TrainingError(f"no checkpoint at {path}. {_others(path)}")
    if not zipfile.is_zipfile(path):  # the format of all checkpoints of ours; a bare pickle is not even looked at
        raise TrainingError(f"{path} is refused: it is no zip archive, so damaged or no checkpoint. {_others(path)}")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"Unsupported [^\n]*?(?= was not| whose|\.|\n|$)", str(error))
        what = found[0] if found else "a pickled object"
        raise TrainingError(
            f"{path} is refused: it holds more than tensors and plain values ({what}), and reading such a file may run "
            f"code. {_others(path)}"
        ) from None
    except Exception as error:  # zip, pickle and torch each have their own ways to reject damaged bytes
        if of_the_machine(error):
            raise
        raise TrainingError(f"{path} is damaged ({type(error).__name__}: {error}). {_others(path)}") from None
    if not isinstance(loaded, dict) or "loops" not in loaded or "global_step" not in loaded:
        raise TrainingError(f"{path} is no checkpoint of a training. {_others(path)}")
    return loaded


def _others(path: Path) -> str:
    kept = sorted((path.parent / "checkpoints").glob("*.ckpt"))
    if kept:
        return f"Kept checkpoints are there: copy {kept[-1]} to {path} and resume."
    return "Start the run anew."
