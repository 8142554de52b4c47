"""Detection within benchmarks: the shipped recipes, and one from images to a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmssl.downstream.recipe import load_benchmark
from gmssl.downstream.running import run_benchmark
from gmssl.errors import DataError


@pytest.mark.parametrize(
    ("name", "entry", "optimiser"),
    [
        ("vindr_faster_rcnn", "gmssl data show VinDr", 1e-4),
        ("kvasir_faster_rcnn", "gmssl data show HyperKvasir", 2.5e-4),
    ],
)
def test_recipes_of_the_paper_say_how_to_get_the_data(name: str, entry: str, optimiser: float, tmp_path: Path) -> None:
    benchmark = load_benchmark(name)
    assert benchmark.task.image_size == 512
    assert benchmark.training.optimiser.learning_rate == optimiser
    with pytest.raises(DataError, match=entry):
        run_benchmark(benchmark, name, ["random"], tmp_path)


def test_the_recipe_of_blood_cells_is_sound() -> None:
    benchmark = load_benchmark("bccd_faster_rcnn")
    assert benchmark.task.classes == ("RBC", "WBC", "Platelets")
    assert benchmark.split.validation == {"split": "val"}


@pytest.mark.slow
def test_from_images_to_scores(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images, boxes = [], []
    for number in range(8):
        pixels = generator.integers(0, 60, (64, 96), np.uint8)
        x, y = (int(generator.integers(0, limit)) for limit in (60, 34))
        pixels[y : y + 30, x : x + 36] += 150
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png"})
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [x, y, 36, 30]})
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "blob"}]}
    (tmp_path / "boxes.json").write_text(json.dumps(content), encoding="utf-8")
    settings = {
        "cases": {"kind": "paired", "root": str(tmp_path), "files": {"image": "images/*.png", "boxes": "boxes.json"}},
        "split": {"folds": 2, "validation": 0.25},
        "task": {"kind": "detection", "size": 64, "channels": 8, "head": 16, "proposals": 20, "regions": 16},
        "training": {"epochs": 2, "batch": 2, "accelerator": "cpu"},
        "encoder": {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 16, 16]},
        "seeds": [0],
        "bootstrap": 5,
    }
    first, again = (
        run_benchmark(load_benchmark(settings), "blobs", ["random"], tmp_path / out)[0] for out in ("one", "two")
    )
    assert list(first.scores) == ["AP50", "AP", "AP75", "AR", "AP50.blob"]
    assert first.data.facts["boxes"] == {"blob": 8}
    rows = [json.loads((Path(fit.fits[0]) / "rows.json").read_text(encoding="utf-8")) for fit in (first, again)]
    assert rows[0] == rows[1]
    assert sorted((Path(first.fits[0]) / "pictures").glob("*.png"))
