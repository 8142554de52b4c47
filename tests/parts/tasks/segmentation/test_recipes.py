"""The shipped benchmarks of segmentation: they load, read archives of their layout, and say where these are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmssl.downstream.recipe import load_benchmark
from gmssl.downstream.splitting import folds_of
from gmssl.errors import DataError

BENCHMARKS = ("buid_unet", "drive_unet", "isic_2018_unet", "jsrt_unet", "kvasir_seg_unet", "nuclei_unet")
IMAGE = np.random.default_rng(0).integers(0, 255, (40, 52), dtype=np.uint8)
MASK = np.zeros((40, 52), np.uint8)
MASK[10:30, 10:20] = 255
OTHER = np.zeros((40, 52), np.uint8)
OTHER[10:30, 30:40] = 255

ARCHIVES = {
    "isic_2018_unet": {
        **{f"ISIC2018_Task1-2_{part}_Input/ISIC_{part}.jpg": IMAGE for part in ("Training", "Validation", "Test")},
        **{
            f"ISIC2018_Task1_{part}_GroundTruth/ISIC_{part}_segmentation.png": MASK
            for part in ("Training", "Validation", "Test")
        },
        "ISIC2018_Task1-2_Test_Input/ISIC_Test_superpixels.png": IMAGE,
    },
    "jsrt_unet": {
        "images/JPCLN001.png": IMAGE,
        "images/JPCLN002.png": IMAGE,
        "SCR/fold1/masks/left lung/JPCLN001.gif": MASK,
        "SCR/fold1/masks/right lung/JPCLN001.gif": OTHER,
        "SCR/fold2/masks/left lung/JPCLN002.gif": MASK,
        "SCR/fold2/masks/right lung/JPCLN002.gif": OTHER,
    },
    "kvasir_seg_unet": {"images/a.jpg": IMAGE, "masks/a.jpg": MASK, "images/b.jpg": IMAGE, "masks/b.jpg": OTHER},
    "buid_unet": {
        "benign/benign (1).png": IMAGE,
        "benign/benign (1)_mask.png": MASK,
        "benign/benign (1)_mask_1.png": OTHER,
        "malignant/malignant (1).png": IMAGE,
        "malignant/malignant (1)_mask.png": MASK,
        "normal/normal (1).png": IMAGE,
        "normal/normal (1)_mask.png": MASK * 0,
    },
}
"""File → pixels, of the smallest archive of each layout."""

PIXELS = {
    "isic_2018_unet": [200, 200, 200],
    "jsrt_unet": [400, 400],
    "kvasir_seg_unet": [200, 200],
    "buid_unet": [400, 200, 0],
}
"""Pixels of the one class in each image, in the order of their paths."""


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_load(name) -> None:
    benchmark = load_benchmark(name)
    assert benchmark.task.kind == "segmentation"
    assert benchmark.training.clip == 1.0


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_of_the_usual_layout_are_read(name, tmp_path) -> None:
    for file, values in ARCHIVES[name].items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    benchmark = load_benchmark(name, [f"cases.root={tmp_path}"])
    cases = benchmark.cases.cases()
    opened = benchmark.task.open(cases, 3)
    assert [check.pixels[0] for check in opened.checked] == pytest.approx(PIXELS[name], abs=8)
    if benchmark.split.test is not None:
        fold = folds_of(cases, benchmark.split, [case.name for case in cases])[0]
        assert (len(fold.train), len(fold.test)) == (1, 1)


@pytest.mark.parametrize("name", ARCHIVES)
def test_without_the_archive_a_sentence_says_where_it_is_looked_for(name, tmp_path) -> None:
    benchmark = load_benchmark(name, [f"cases.root={tmp_path / 'nothing'}"])
    with pytest.raises(DataError, match=r"there is no folder .*nothing\. Set cases\.root"):
        benchmark.cases.cases()


@pytest.mark.parametrize(("name", "count"), [("nuclei_unet", 664), ("drive_unet", 68)])
def test_data_at_hand_are_read(name, count) -> None:
    benchmark = load_benchmark(name)
    if not Path(benchmark.cases.path).is_file():
        pytest.skip("the data are not here")
    opened = benchmark.task.open(benchmark.cases.cases(), benchmark.encoder.in_channels)
    assert len(opened.cases) == count
    assert opened.facts[f"cases without {opened.classes[0]}"] == 0
