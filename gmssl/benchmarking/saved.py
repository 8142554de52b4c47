"""Reports that `--out` wrote, read again: a page or a table need not be measured a second time."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from gmssl.errors import FormatError

R = TypeVar("R")


def read_report(path: Path, kind: type[R], author: str) -> R:
    """The report in a JSON file.

    Args:
        path: of the file.
        kind: `EstimatorReport`, or the `Report` of solvers.
        author: the command that writes such files, for messages.

    Raises:
        FormatError: the file cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(
            f"{path} cannot be read: {error.strerror}; give a file that `{author} --out` wrote."
        ) from None
    except UnicodeDecodeError:
        raise FormatError(f"{path} is no text; give a file that `{author} --out` wrote.") from None
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise FormatError(
            f"{path} is not a report of `{author}`: {first['msg']}{f' at {place}' if place else ''}; "
            f"give a file that `{author} --out` wrote."
        ) from None
