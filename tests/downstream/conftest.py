from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("dark", "bright")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 24 small images of twelve patients; the class is whether a blob is brighter than its background."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(24):
        label, patient = CLASSES[number % 2], f"p{number // 2}"
        values = generator.integers(60, 120, (20, 24), dtype=np.uint8)
        values[6:14, 8:16] = 250 if label == "bright" else 0
        Image.fromarray(values).save(root / f"{number:02d}.png")
        split = "test" if number >= 16 else "train"
        site = "north" if number % 4 < 2 else "south"
        rows.append({"path": f"{number:02d}.png", "label": label, "patient": patient, "split": split, "site": site})
    with (root / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture
def settings(pictures: Path) -> dict[str, object]:
    """A benchmark on them that takes seconds."""
    return {
        "cases": {"kind": "table", "path": str(pictures / "index.csv"), "label": "label", "patient": "patient"},
        "split": {"test": {"split": "test"}, "validation": 0.25, "site": "site"},
        "task": {"kind": "classification", "size": 32},
        "training": {"epochs": 3, "batch": 5, "accelerator": "cpu"},
        "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 8, 16]},
        "seeds": [0, 1],
        "bootstrap": 20,
    }
