"""Patterns of paths, against a matcher that goes folder by folder."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmssl.corpus.catalogue.patterns import as_regex, matches

NAMES = st.text("abA.[]1", min_size=1, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PIECES = st.one_of(st.text("abA.1*?", min_size=1, max_size=4), st.sampled_from(["[ab]*", "[!a]?", "[1-9]", "[]a]"]))
PATTERNS = st.lists(st.one_of(st.just("**"), PIECES.filter(lambda p: "**" not in p)), min_size=1, max_size=4)


def fits(pattern: list[str], path: list[str]) -> bool:
    """Folder by folder, by the shell's rules for each."""
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == "**":
        return fits(pattern[1:], path) or (len(path) > 1 and fits(pattern, path[1:]))
    return fnmatchcase(path[0].lower(), pattern[0].lower()) and fits(pattern[1:], path[1:])


@given(PATTERNS.filter(lambda p: p[-1] != "**"), PATHS)
def test_as_the_shell_matches_each_folder(pattern: list[str], path: str) -> None:
    assert matches("/".join(pattern), path) == fits(pattern, path.split("/"))


@given(PATHS)
def test_any_folders_are_also_none(path: str) -> None:
    assert matches("**/*", path)
    assert matches("*", path) == ("/" not in path)


def test_capital_letters_do_not_matter() -> None:
    assert matches("**/Scans/*.PNG", "x/scans/a.png")
    assert matches("scans/*.png", "SCANS/A.Png")


@pytest.mark.parametrize("pattern", ["a**", "a**/b", "**", "a/**", "[ab", "[b-a]"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"write|correct"):
        as_regex(pattern)
