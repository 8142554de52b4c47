"""Files are whole or as they were, have second names, and folders have one writer at a time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gmssl.explaining import writing
from gmssl.problem.formats.text import write_text
from gmssl.system.files import alone_in, copy_whole, link_or_copy, replacing, write_whole


def test_a_write_that_is_cut_off_leaves_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "problem.dd"
    write_text(path, "former")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text() == "former"
    assert os.listdir(tmp_path) == ["problem.dd"]


def test_links_and_pipes_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("former")
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", "through")
    assert os.read(reader, 99) == b"through"
    with replacing(tmp_path / "pipe") as file:
        file.write(b"bytes")
    assert os.read(reader, 99) == b"bytes"
    assert (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_two_reports_in_one_folder_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"curves.png": b"1", "pair-1.png": b"1", writing.PAGE: b"1"}
    second = {"curves.png": b"2", writing.PAGE: b"2"}
    renamed, original = threading.Event(), Path.replace
    other = threading.Thread(target=writing._write, args=(tmp_path, second))

    def rename(self: Path, target: Path) -> Path:
        done = original(self, target)
        if not renamed.is_set():  # the other report comes after the first file of this one
            renamed.set()
            other.start()
            other.join(1)
        return done

    monkeypatch.setattr(Path, "replace", rename)
    writing._write(tmp_path, first)
    other.join()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == second


def test_a_folder_is_free_again(tmp_path: Path) -> None:
    for _ in range(2):
        with alone_in(tmp_path):
            assert os.listdir(tmp_path) == []


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
