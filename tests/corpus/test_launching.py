"""Tasks of a cluster build what the pool builds, whatever becomes of them on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gmssl.cli import app
from gmssl.corpus import cluster as clusters
from gmssl.corpus import plan as planning
from gmssl.corpus.build import Advance, Job, build_store
from gmssl.corpus.cluster import Cluster, cluster_with
from gmssl.corpus.launching import Task, launching
from gmssl.corpus.recipe import corpus_of
from gmssl.errors import DataError
from tests.corpus.archives import draw_archives

pytest.importorskip("submitit")

LOCAL = Cluster("local", {"timeout_min": 2})


def ignored(*_: object) -> None:
    """Nobody is told."""


@pytest.fixture(autouse=True)
def _small_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(planning, "SMALL", 4096)
    monkeypatch.setattr(planning, "MANY", 8)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return draw_archives(tmp_path / "archives")


@pytest.fixture
def expected(settings: dict[str, Any], tmp_path: Path) -> dict[str, bytes]:
    build_store(corpus_of(settings), tmp_path / "expected", 1, ignored, ignored)
    return bytes_of(tmp_path / "expected")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_tasks_build_the_same_bytes(settings: dict[str, Any], tmp_path: Path, expected: dict[str, bytes]) -> None:
    told: list[tuple[int, int]] = []
    build_store(corpus_of(settings), tmp_path / "store", 2, ignored, lambda *n: told.append(n), launching(LOCAL))
    assert bytes_of(tmp_path / "store") == expected
    assert told[0] == (0, told[0][1])
    assert told[-1] == (told[0][1], told[0][1])
    assert told == sorted(told)
