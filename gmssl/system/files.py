"""Files that appear complete or not at all, second names for them, and why they cannot be read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes the name `path` when the block ends well; else `path` stays as it was.

    The bytes are on the disk (fsync) before the name is theirs, so a power cut leaves one of the two files whole.
    Devices and pipes (`/dev/stdout`, `/dev/null`) are written to as they are: a file must not take their place.
    """
    if str(path).startswith("/dev/") or (path.exists() and not path.is_file()):
        with path.open("wb") as file:
            yield file
        return
    # The name is random and not the process number, which threads share, and two machines on one file system may share.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_whole(path: Path, text: str) -> None:
    """Write a text in UTF-8 to a file that is whole or as it was; a link keeps pointing at it."""
    device = str(path).startswith("/dev/")  # what `/dev/stdout` is a link to may be anything, a file, too
    with replacing(path if device else path.resolve()) as file:
        file.write(text.encode("utf-8"))


def what_is_wrong(error: Exception) -> str:
    """Why a file cannot be read, as the end of a sentence without its full stop."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    return str(error).rstrip(".") or type(error).__name__


@contextlib.contextmanager
def alone_in(place: Path) -> Iterator[None]:
    """Wait until no other process is in this block for the same file or folder, which is there; nothing is left behind.

    Where a system or file system has no locks, nobody waits.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    # Network file systems lock a file only for those who may write to it; a folder nobody can open so.
    handle = os.open(place, os.O_RDONLY if place.is_dir() else os.O_RDWR)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(folder: Path) -> list[str]:
    """Paths of all files below a folder, from it on and with forward slashes, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def copy_whole(source: Path, target: Path) -> None:
    """The bytes of a file, without its dates and permissions; `target` is replaced as in `replacing`."""
    with replacing(target) as file, source.open("rb") as original:
        shutil.copyfileobj(original, file)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for the same bytes, or a copy of them on a file system that has no hard links.

    Only for files that are replaced when they change, as `replacing` does it, and never written over.
    """
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)  # resolved: a second name of a symbolic link would lead elsewhere
    except OSError:
        copy_whole(source, target)
