"""Text files of problems: opening them, errors that name file and line, and the `Instance` that is read from one."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from gmssl.errors import FormatError, ProblemError
from gmssl.problem.memory import refuse_without_room
from gmssl.problem.problem import Problem
from gmssl.system.files import write_whole

LARGEST = 2**28
"""Most numbers in a dense tensor that is made from a sparse description, 2 GiB in float64."""


def lines_of(path: str | Path) -> list[str]:
    """The lines of a file, as `lines_in` gives them. A pipe has them once: who tells formats apart passes them on.

    Raises:
        FormatError: there is no such file, it is a folder, or it may not be read.
    """
    try:
        return lines_in(Path(path).read_bytes())
    except OSError as error:
        what = "is a folder" if isinstance(error, IsADirectoryError) else f"cannot be read: {error.strerror}"
        raise FormatError(f"{path} {what}. Give the path of a .dd, .txt or .dat file.") from None


def lines_in(content: bytes) -> list[str]:
    """The lines of a text in UTF-8, or in UTF-16 if it starts with the mark of its byte order; any ends of lines.

    Bytes that are no such text (comments may hold any) become replacement characters.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    return re.split(r"\r\n?|\n", text)


def write_text(path: str | Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        FormatError: the path is a folder, its folder does not exist, or it may not be written.
    """
    try:
        write_whole(Path(path), text)
    except OSError as error:
        raise FormatError(f"{path} cannot be written: {error.strerror}. Name a file in a folder that exists.") from None


def fault(path: str | Path, line: int, what: str) -> FormatError:
    """The error for a line, counted from 1; `what` ends with what was expected."""
    return FormatError(f"{path}, line {line}: {what}.")


def shown(text: str) -> str:
    """A line or word of a file, short enough for a message."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def number_text(number: float) -> str:
    """The shortest text that reads back as the same float64; whole numbers without a point."""
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def refuse_too_large(count: int, what: str) -> None:
    """Refuse a sparse description that asks for more dense costs than a machine holds.

    Raises:
        ProblemError: `count` is above `LARGEST`, or the machine has no room for so many.
    """
    if count > LARGEST:
        raise ProblemError(
            f"{what} are {count} numbers, {count * 8 / 2**30:.1f} GiB in float64; a Problem holds them densely, "
            f"{LARGEST} at most are read. Use a smaller instance."
        )
    refuse_without_room(8 * count, what, "use a smaller instance")


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem with its name. The instances of a file differ in size, so each is a batch of its own.

    Attributes:
        name: file name without suffix; in a file of several instances followed by ` i-j`, the graphs that are matched.
        problem: the problem, with G = 1 and costs in float64.
        best_known: least energy that is known, or None if the source does not tell it.
    """

    name: str
    problem: Problem
    best_known: float | None = None
