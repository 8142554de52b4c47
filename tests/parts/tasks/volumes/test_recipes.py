"""The shipped benchmarks of volumes: they load, read archives of their layout, and say where these are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nibabel")

from gmssl.downstream.published import rows_of
from gmssl.downstream.recipe import load_benchmark
from gmssl.downstream.splitting import folds_of
from gmssl.errors import DataError
from tests.parts.tasks.volumes.blobs import save, turned

IMAGE = np.random.default_rng(0).integers(0, 900, (8, 7, 6), dtype=np.int16)


def mask(*values: int) -> np.ndarray:
    """A column for each value."""
    found = np.zeros((8, 7, 6), np.int16)
    for at, value in enumerate(values):
        found[1 + at, 2:4, 1:4] = value
    return found


def brats(grade: str, name: str) -> dict[str, np.ndarray]:
    folder = f"{grade}/Brats18_{name}"
    images = {f"{folder}/Brats18_{name}_{kind}.nii.gz": IMAGE for kind in ("flair", "t1", "t1ce", "t2")}
    return {**images, f"{folder}/Brats18_{name}_seg.nii.gz": mask(1, 2, 4)}


def heart(form: str, number: int) -> dict[str, np.ndarray]:
    return {
        f"{form}_train_{number}_image.nii.gz": IMAGE,
        f"{form}_train_{number}_label.nii.gz": mask(500, 600, 421, 550, 205, 820),
    }


def prostate(site: str, number: int, word: str = "segmentation") -> dict[str, np.ndarray]:
    return {f"{site}/Case{number:02d}.nii.gz": IMAGE, f"{site}/Case{number:02d}_{word}.nii.gz": mask(1, 2)}


ARCHIVES = {
    "brats2018_unet": {k: v for n in range(5) for k, v in brats("HGG" if n else "LGG", f"P{n}").items()},
    "mmwhs_ct_unet": {k: v for n in range(1001, 1006) for k, v in heart("ct", n).items()},
    "mmwhs_mri_unet": {k: v for n in range(1001, 1006) for k, v in heart("mr", n).items()},
    "prostate_bmc_unet": {
        **{k: v for n in (0, 12, 29) for k, v in prostate("BMC", n).items()},
        **prostate("RUNMC", 3),
        **prostate("BIDMC", 4, "Segmentation"),
        **prostate("HK", 40),
        **prostate("UCL", 1),
    },
}
"""File → values, of the smallest archive of each layout."""

VOXELS = {
    "brats2018_unet": (18,),
    "mmwhs_ct_unet": (6, 6, 6, 6, 6, 6, 0),
    "mmwhs_mri_unet": (6, 6, 6, 6, 6, 6, 0),
    "prostate_bmc_unet": (12,),
}
"""Voxels of each class in every mask."""


def archive(name: str, folder: Path):
    for file, values in ARCHIVES[name].items():
        save(folder / file, values, turned(spacing=(1, 1, 1)))
    return load_benchmark(name, [f"cases.root={folder}"])


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_of_the_usual_layout_are_read(name, tmp_path) -> None:
    benchmark = archive(name, tmp_path)
    cases = benchmark.cases.cases()
    opened = benchmark.task.open(cases, 3)
    assert {check.voxels for check in opened.checked} == {VOXELS[name]}
    assert opened.metric == "iou"
    assert folds_of(cases, benchmark.split, [case.name for case in cases])
    assert rows_of(benchmark.published)
    assert all(one.ours in opened.summarise([]) for one in benchmark.published)


def test_prostates_are_learnt_from_one_hospital_and_scored_on_four(tmp_path) -> None:
    benchmark = archive("prostate_bmc_unet", tmp_path)
    cases = benchmark.cases.cases()
    fold = folds_of(cases, benchmark.split, [case.name for case in cases])[0]
    assert [cases[index].name for index in fold.train] == ["BMC/Case00.nii.gz", "BMC/Case12.nii.gz"]
    assert [cases[index].facts["site"] for index in fold.test] == ["BIDMC", "BMC", "HK", "RUNMC"]


def test_one_structure_can_be_scored_alone(tmp_path) -> None:
    archive("mmwhs_ct_unet", tmp_path)
    overrides = [f"cases.root={tmp_path}", "protocol=as_released", "task.scored=[left_ventricle]"]
    benchmark = load_benchmark("mmwhs_ct_unet", overrides)
    opened = benchmark.task.open(benchmark.cases.cases(), 1)
    assert opened.classes == ("left_ventricle",)
    assert len(opened.settings.names) == 7


@pytest.mark.parametrize("name", ARCHIVES)
def test_without_the_archive_a_sentence_says_where_it_is_looked_for(name, tmp_path) -> None:
    benchmark = load_benchmark(name, [f"cases.root={tmp_path / 'nothing'}"])
    with pytest.raises(DataError, match=r"there is no folder .*nothing\. Set cases\.root"):
        benchmark.cases.cases()
    assert "https://" in benchmark.obtain


@pytest.mark.parametrize("name", ["brain_progression_unet", "brain_progression_site", "brain_progression_unet3d"])
def test_data_at_hand_are_read_and_patients_are_not_divided(name) -> None:
    benchmark = load_benchmark(name)
    if not Path(benchmark.cases.path).is_file():
        pytest.skip("the data are not here")
    cases = benchmark.cases.cases()
    for fold in folds_of(cases, benchmark.split, [case.name for case in cases]):
        patients = [{cases[index].patient for index in side} for side in (fold.train, fold.test)]
        assert not patients[0] & patients[1]
    facts = benchmark.task.open(cases, 1).facts
    assert (facts["volumes"], facts["slices with foreground"]) == (7, 40)
