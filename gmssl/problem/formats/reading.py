"""`read` reads all file formats."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from gmssl.errors import FormatError
from gmssl.problem.formats.dd import parse_dd
from gmssl.problem.formats.qaplib import parse_qaplib
from gmssl.problem.formats.text import Instance, lines_in, lines_of, shown

_EXPECTED = "expected the dd format (`p n m A E`) or QAPLIB (the size n)"


def read(path: str | Path) -> list[Instance]:
    """All matching problems of a file; its first line, not its name, tells whether it is dd or QAPLIB.

    Args:
        path: a file or a pipe; `-` is standard input, which messages and names call `/dev/stdin`.

    Raises:
        FormatError: the file does not exist, has none of the formats, or is malformed; the message names file and line.
    """
    path = Path(path)
    if path.suffix == ".sln":
        raise FormatError(f"{path} holds a solution; give the problem, {path.with_suffix('.dat').name}.")
    path, lines = (Path("/dev/stdin"), _standard_input()) if str(path) == "-" else (path, lines_of(path))
    start = next((line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")), "")
    if re.match(r"(c|p|gm)(\s|$)", start):
        return parse_dd(path, lines)
    if re.match(r"[+\d]", start):
        return [parse_qaplib(path, lines)]
    if not start:
        raise FormatError(f"{path} is empty; {_EXPECTED}.")
    raise FormatError(f"{path} is no file of matching problems: it starts with {shown(start)}; {_EXPECTED}.")


def _standard_input() -> list[str]:
    if sys.stdin is None:
        raise FormatError("/dev/stdin cannot be read: it is closed. Give problems to standard input, or name files.")
    return lines_in(sys.stdin.buffer.read())
