"""Second names of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gmssl.system.files import copy_whole, link_or_copy, replacing


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_second_name_shares_bytes_until_one_is_replaced(tmp_path: Path) -> None:
    source, target = written(tmp_path / "a", b"old"), written(tmp_path / "b", b"in the way")
    link_or_copy(source, target)
    assert os.path.samefile(source, target)
    with replacing(target) as file:
        file.write(b"new")
    assert (source.read_bytes(), target.read_bytes()) == (b"old", b"new")


def test_a_file_system_without_hard_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    source = written(tmp_path / "a", b"old")
    link_or_copy(source, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"old"
    assert not os.path.samefile(source, tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    source = written(tmp_path / "far" / "a", b"old")
    for name, second in (("b", link_or_copy), ("c", copy_whole)):
        link = tmp_path / "far" / name
        link.symlink_to("a")
        second(link, tmp_path / name)
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_bytes() == source.read_bytes()
