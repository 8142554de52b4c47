"""What readers share: libraries that may be missing, and errors of any kind that become a reason."""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from gmssl.errors import DataError
from gmssl.interfaces.reader import Acquisition, LeftOut, LibraryError, Listing
from gmssl.system.files import what_is_wrong
from gmssl.system.workers import of_the_machine

_MOST_VOLUMES = 100_000


class RefusedError(ValueError):
    """A file that is not read; the text is the end of the sentence "it cannot be read: …"."""

    fault = True


class NoImageError(RefusedError):
    """A sound file that holds something else than images."""

    fault = False


def library(name: str) -> Any:
    """A module that the extra `med` installs.

    Raises:
        LibraryError: it is not installed, or does not load.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        words = " ".join(str(error).split()).rstrip(".")
        raise LibraryError(
            f"these files are read with {name.partition('.')[0]}, which does not load ({words}); "
            'install it with: pip install "gmssl[med]".'
        ) from None


@contextmanager
def telling(root: Path, name: str) -> Iterator[None]:
    """Turn whatever a library raises on a file into one message with the name of the file below the root.

    Raises:
        DataError: for every error, but for those of the machine (`of_the_machine`), which pass unchanged.
    """
    try:
        with _quiet():
            yield
    except DataError:
        raise
    except Exception as error:  # libraries raise almost anything on damaged files
        if of_the_machine(error):
            raise
        raise DataError(f"{name} cannot be read: {_words(root, name, error)}.") from None


def listed(root: Path, names: Sequence[str], header: Callable[[str], Iterable[Acquisition | LeftOut]]) -> Listing:
    """One call of `header` a name, in order; what it raises becomes the reason why the file is left out."""
    acquisitions: list[Acquisition] = []
    left_out: list[LeftOut] = []
    for name in names:
        try:
            with _quiet():
                found = list(header(name))
            acquisitions += [one for one in found if isinstance(one, Acquisition)]
            left_out += [one for one in found if isinstance(one, LeftOut)]
        except DataError:  # a library is missing
            raise
        except Exception as error:
            if of_the_machine(error):
                raise
            left_out.append(LeftOut(name, _words(root, name, error), fault=getattr(error, "fault", True)))
    return Listing(tuple(acquisitions), tuple(left_out))


@contextmanager
def muted(logger: str) -> Iterator[None]:
    """Without what a library logs about odd headers: it is either raised or does not matter."""
    log = logging.getLogger(logger)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd headers: what matters is raised
        yield


def _words(root: Path, name: str, error: Exception) -> str:
    """The reason in one line, with names below the root only, so that it is the same on every machine."""
    missing = os.path.basename(str(getattr(error, "filename", None) or name))
    if isinstance(error, FileNotFoundError) and missing != os.path.basename(name):
        return f"there is no {missing} beside it"
    text = " ".join(what_is_wrong(error).split()).replace(f"{root}{os.sep}", "")
    return text if len(text) <= 300 else f"{text[:297]}…"


def beside(name: str, companion: str) -> str:
    """A file that a header names relative to itself, as a path below the root.

    Raises:
        RefusedError: it lies outside of the root: an archive does not say which other files of a machine are read.
    """
    given = companion.replace("\\", "/")
    parts: list[str] = []
    for part in (*PurePosixPath(name).parent.parts, *PurePosixPath(given).parts):
        if part == ".." and not parts:
            break
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    else:
        if not given.startswith("/") and ":" not in given.partition("/")[0]:
            return "/".join(parts)
    raise RefusedError(f"its values are said to lie in {companion}, outside of the source; move them into its folder")


def numbered(name: str, files: tuple[str, ...], number: int, frames: int) -> list[Acquisition]:
    """One acquisition for a file of one volume; `name#t` for each volume of a file of several, with as many digits."""
    if number > _MOST_VOLUMES:
        raise RefusedError(f"it has {number} volumes, above the limit {_MOST_VOLUMES}, or its header is damaged")
    if number == 1:
        return [Acquisition(name, files, frames=frames)]
    digits = len(str(number - 1))
    return [Acquisition(f"{name}#{index:0{digits}d}", files, frames=frames) for index in range(number)]


def number_of(acquisition: Acquisition) -> int:
    """Which volume of its first file an acquisition of `numbered` is."""
    return int(acquisition.name[len(acquisition.files[0]) + 1 :] or 0)
