"""Small archives of pictures and volumes, drawn in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def draw_archives(root: Path, pictures: int = 12, volumes: int = 3) -> dict[str, Any]:
    """Pictures in folders by label, and volumes of patients, as a corpus that takes them."""
    generator = np.random.default_rng(0)
    for number in range(pictures):
        folder = root / "photos" / ("good" if number % 2 else "bad")
        folder.mkdir(parents=True, exist_ok=True)
        size = (20 + number, 24, 3) if number % 3 == 0 else (20 + number, 24)
        values = generator.integers(0, 255, size, dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number}.{'png' if number % 4 else 'jpg'}")
    for number in range(volumes):
        draw_volume(root / "mr" / f"Smith^{number // 2}" / f"scan{number}.nii.gz", seed=number)
    return {
        "sources": [
            {"name": "photos", "path": str(root / "photos"), "reader": "pictures", "fields": "(?P<label>[^/]+)/"},
            {
                "name": "mr",
                "path": str(root / "mr"),
                "reader": "nifti",
                "modality": "mri",
                "organ": "brain",
                "fields": "(?P<patient>[^/]+)/",
            },
        ],
        "shard": 1,
    }


def draw_volume(path: Path, seed: int, shape: tuple[int, int, int] = (12, 10, 6)) -> np.ndarray:
    """A NIfTI file of random values; returns them."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 1000, shape).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1, -1, 2, 1.0])), path)
    return values
