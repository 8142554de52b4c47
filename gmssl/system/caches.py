"""Caches of libraries where neither the package nor the home folder can be written, as in containers on clusters.

numba refuses to compile at all without a place for its cache, other libraries warn or fail later. A folder of our own
under the temporary one stands in. Where the user has set a library's own variable, that counts.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

_IN_HOME = {"MPLCONFIGDIR": "matplotlib", "TRITON_CACHE_DIR": "triton", "HF_HOME": "huggingface", "TORCH_HOME": "torch"}
"""Variables of libraries that, without them, keep things below the home folder only."""


def settle_caches() -> None:
    """Point libraries that could not write their caches to a temporary folder, with one warning.

    This is called when gmssl is imported, because numba reads its variable when it is imported itself. It costs a few
    calls of the system; processes that are started later inherit the variables and have nothing to tell.
    """
    home = _can_be_made(_user_caches())
    # What lies in a home folder that can only be read is still read: models that were downloaded before.
    there = {name for name in ("huggingface", "torch") if (_user_caches() / name).is_dir()}
    wanted = {} if home else {variable: name for variable, name in _IN_HOME.items() if name not in there}
    if not home and not _can_be_made(_package() / "__pycache__"):
        wanted["NUMBA_CACHE_DIR"] = "numba"
    wanted = {variable: name for variable, name in wanted.items() if not os.environ.get(variable)}
    if not wanted:
        return
    folder = _private_folder()
    for variable, name in wanted.items():
        os.environ[variable] = str(folder / name)
    warnings.warn(
        f"{_user_caches()} cannot be written; caches of compiled kernels and models go to {folder} until that is "
        f"emptied. To keep them, set XDG_CACHE_HOME, or {', '.join(wanted)}, to a folder that can be written.",
        RuntimeWarning,
        stacklevel=3,
    )


def _user_caches() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else Path(os.path.expanduser("~")) / ".cache"


def _package() -> Path:
    return Path(__file__).parents[1]


def _can_be_made(folder: Path) -> bool:
    """Whether a folder can be written, or made in the nearest folder above it that exists."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            # The kernel is asked, because not even the superuser can write to a read-only file system, or below /proc.
            return os.access(place, os.W_OK | os.X_OK) and not str(place).startswith("/proc")
        if place.exists():
            return False
    return False


def _private_folder() -> Path:
    """A folder below the temporary one that is this user's alone, because numba and torch load code from it."""
    import tempfile

    folder = Path(tempfile.gettempdir()) / f"gmssl-caches-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        if folder.is_dir() and not folder.is_symlink() and mine and not status.st_mode & 0o022:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="gmssl-caches-"))
