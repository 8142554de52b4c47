"""Patterns of paths: `*`, `?` and `[...]` stay within a folder, and `**/` stands for any number of folders."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def as_regex(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression on whole paths with forward slashes; capital letters do not matter.

    Archives are unpacked on file systems that know no capitals, and extensions change theirs from release to release.

    Raises:
        ValueError: `**` stands elsewhere than as a whole folder, or a bracket is not closed.
    """
    found, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**", at):
            if not pattern.startswith("**/", at) or (at and pattern[at - 1] != "/"):
                raise ValueError(f"{pattern!r}: ** stands for whole folders; write **/ at the start or after a slash")
            found.append("(?:[^/]+/)*")
            at += 3
        elif pattern[at] == "[":
            end = pattern.find("]", at + 2)
            if end < 0:
                raise ValueError(f"{pattern!r}: a bracket is not closed; write [abc], or [[] for the sign itself")
            inner = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[").replace("/", "")
            found.append(f"(?!/)[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]")
            at = end + 1
        else:
            found.append({"*": "[^/]*", "?": "[^/]"}.get(pattern[at]) or re.escape(pattern[at]))
            at += 1
    try:
        return re.compile("".join(found), re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no pattern: {error}; correct it") from None


def matches(pattern: str, path: str) -> bool:
    """Whether a path below an archive, with forward slashes, fits a pattern."""
    return as_regex(pattern).fullmatch(path) is not None
