"""What lies below a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def names_below(root: Path, keep: Callable[[str], bool], onerror: Callable[[OSError], None]) -> list[str]:
    """Paths of files relative to the root, with forward slashes, in no order.

    Hidden files and folders are passed over; links are followed, each real folder is entered once, so that they may
    loop.

    Args:
        root: an existing folder.
        keep: tells from a file's name whether it is wanted.
        onerror: called with the error of a folder that cannot be listed.
    """
    names, entered = [], {os.path.realpath(root)}
    for folder, subfolders, files in os.walk(root, onerror=onerror, followlinks=True):
        prefix = Path(folder).relative_to(root).as_posix().removeprefix(".")
        kept = []
        for name in sorted(subfolders):
            real = os.path.realpath(os.path.join(folder, name))
            if not name.startswith(".") and real not in entered:
                entered.add(real)
                kept.append(name)
        subfolders[:] = kept
        names += [f"{prefix}/{name}".removeprefix("/") for name in files if not name.startswith(".") and keep(name)]
    return names
