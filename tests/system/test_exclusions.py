from __future__ import annotations

from pathlib import Path

import pytest

from gmssl.errors import DataError
from gmssl.system.exclusions import Exclusions, read_exclusions, read_leaks


def test_the_first_column_and_the_names(tmp_path: Path) -> None:
    path = tmp_path / "exclude.csv"
    path.write_text('pixels,reason,name\nab,near,"a, b.png"\n\ncd,exact,\n')
    assert read_exclusions(path) == Exclusions(frozenset({"ab", "cd"}), frozenset({"a, b.png"}))
    path.write_text("any\nab\n")
    assert read_exclusions(path) == Exclusions(frozenset({"ab"}), frozenset())
    path.write_text("")
    assert read_exclusions(path) == read_exclusions(None) == Exclusions()


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_exclusions(tmp_path / "absent.csv")
    (tmp_path / "exclude.csv").write_text("pixels\nab\n")
    with pytest.raises(DataError, match="no column test_pixels"):
        read_leaks(tmp_path / "exclude.csv")
