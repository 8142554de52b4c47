"""An entry of a lab, and archives made of empty or small files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

Write = Callable[..., Path]


@pytest.fixture
def settings() -> dict[str, Any]:
    """The settings of an entry, fresh for each test."""
    return {
        "name": "Ward-7",
        "title": "Knees of ward 7",
        "modality": "mri",
        "organ": "Knee",
        "dimension": "3D",
        "licence": "unknown",
        "homepage": "https://example.org/ward7",
        "access": "request",
        "obtain": "Ask ward 7.",
        "reader": "nifti",
        "layout": [
            {"pattern": "**/scans/*_mask.nii.gz", "holds": "masks", "required": False},
            {"pattern": "**/scans/*.nii.gz", "count": 6, "unique": True},
            {"pattern": "*.csv", "holds": "tables"},
        ],
        "split": {"fraction": 0.2, "patient": r"(?P<patient>p\d+)_"},
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an entry to `tmp_path/<folder>/<name>.yaml`."""

    def to_file(settings: Any, folder: str = "mine", name: str = "entry") -> Path:
        path = tmp_path / folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings), encoding="utf-8")
        return path

    return to_file


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[Iterable[str]], Path]:
    """A folder with these files, each with its own path as its bytes."""

    def build(names: Iterable[str]) -> Path:
        root = tmp_path / "archive"
        root.mkdir(exist_ok=True)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        return root

    return build
