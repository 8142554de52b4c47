"""`read` reads all file formats."""

from __future__ import annotations

import re
from pathlib import Path

from gmssl.errors import FormatError
from gmssl.problem.formats.dd import read_dd
from gmssl.problem.formats.qaplib import read_qaplib
from gmssl.problem.formats.text import Instance, lines_of, shown


def read(path: str | Path) -> list[Instance]:
    """All matching problems of a file; its first line, not its name, tells whether it is dd or QAPLIB.

    Raises:
        FormatError: the file does not exist, has none of the formats, or is malformed; the message names file and line.
    """
    path = Path(path)
    if path.suffix == ".sln":
        raise FormatError(f"{path} holds a solution; give the problem, {path.with_suffix('.dat').name}.")
    start = next((line.strip() for line in lines_of(path) if line.strip()), "")
    if re.match(r"(c|p|gm)(\s|$)", start):
        return read_dd(path)
    if re.match(r"[+\d]", start):
        return [read_qaplib(path)]
    raise FormatError(
        f"{path} is no file of matching problems: it starts with {shown(start)}; expected the dd format (`p n m A E`) "
        "or QAPLIB (the size n)."
    )
