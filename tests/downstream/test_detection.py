"""Detection within benchmarks: the shipped recipes, and one from images to a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

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


def radiograph(file: Path, pixels: np.ndarray) -> None:
    """A DICOM file of 12 bits as detectors write them, dark where much was transmitted."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3", "DX"
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME1", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelData = (4095 - 12 * pixels.astype(np.uint16)).tobytes()
    data["PixelData"].VR = "OW"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(file, enforce_file_format=True)


@pytest.mark.slow
def test_the_competition_of_radiographs_is_read_as_it_is(tmp_path: Path) -> None:
    """Three readers of 10 DICOM files, 4 of which show nothing."""
    generator = np.random.default_rng(0)
    lines = ["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"]
    (tmp_path / "train").mkdir()
    for number in range(10):
        pixels = generator.integers(0, 60, (80, 96), np.uint16)
        x, y = int(generator.integers(2, 58)), int(generator.integers(2, 48))
        if number < 6:
            pixels[y : y + 30, x : x + 36] += 150
        for reader in ("R8", "R9", "R10"):
            shift = int(generator.integers(-2, 3))
            box = f"Mass,8,{reader},{x + shift},{y},{x + 36},{y + 30}" if number < 6 else f"No finding,14,{reader},,,,"
            lines.append(f"{number:032x},{box}")
        radiograph(tmp_path / "train" / f"{number:032x}.dicom", pixels)
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    small = "{size: 64, channels: 8, head: 16, proposals: 20, regions: 16, ignored: [No finding], fuse: 0.5}"
    settings = [
        f"cases.root={tmp_path}", "task={kind: detection, " + small[1:], "training.epochs=1", "training.batch=4",
        "encoder={kind: timm, name: resnet18, in_channels: 1, channels: [8, 8, 16, 16]}", "encoders=[]", "seeds=[0]",
        "bootstrap=0", "training.accelerator=cpu",
    ]  # fmt: skip
    benchmark = load_benchmark("vindr_faster_rcnn", settings)
    (found,) = run_benchmark(benchmark, "vindr_faster_rcnn", ["random"], tmp_path / "out")
    assert found.data.facts["boxes"] == {"Mass": 6}
    assert found.data.facts["images without boxes"] == 4
    assert found.data.facts["boxes fused with those of other readers"] == 12
    assert (found.data.test, found.data.train) == (2, 8)
    assert found.main == "AP50"
    assert found.published
