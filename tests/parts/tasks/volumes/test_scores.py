"""Scores of merged volumes are those of the files in mm, by distance transforms of scipy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("monai")
pytest.importorskip("nibabel")

from gmssl.interfaces.cases import Case
from gmssl.parts.tasks.masks.metrics import MEASURES
from gmssl.parts.tasks.volumes.scoring import SliceScoring
from gmssl.parts.tasks.volumes.task import VolumeSegmentation
from tests.parts.tasks.masks.test_metrics import slowly
from tests.parts.tasks.volumes.blobs import save, turned

SHAPE, SPACING = (7, 6, 5), (0.5, 1.25, 4.0)


def drawn(kind: str, generator: np.random.Generator) -> np.ndarray:
    """Labels 0, 1, 2 in cells of the file."""
    labels = np.zeros(SHAPE, np.uint8)
    if kind == "random":
        labels = generator.integers(0, 3, SHAPE).astype(np.uint8)
    elif kind == "full":
        labels[...] = 1
    elif kind == "voxel":
        labels[3, 2, 4], labels[0, 0, 0] = 1, 2
    elif kind == "one class":
        labels[1:5, 2:4, 1:4] = 2
    return labels


KINDS = ("random", "full", "voxel", "one class", "empty")


@pytest.mark.parametrize("axis", ["acquired", "axial", "coronal", "sagittal"])
def test_scores_are_those_of_the_files(tmp_path, axis) -> None:
    generator, cases, truths = np.random.default_rng(0), [], []
    affine = turned(20.0, SPACING, (-1, 1, -1), (1, 2, 0))
    image = save(tmp_path / "image.nii.gz", generator.integers(0, 900, SHAPE).astype(np.int16), affine)
    for kind in KINDS:
        truths.append(drawn(kind, generator))
        mask = save(tmp_path / f"{kind}.nii.gz", truths[-1], affine)
        cases.append(Case(kind, {"image": image, "mask": mask}))
    opened = VolumeSegmentation(size=32, axis=axis, classes={"a": 1, "b": 2}, tolerance=1.3).open(cases, 1)
    for ours in KINDS:
        predicted, scoring = drawn(ours, generator), SliceScoring(opened)
        for index, (truth, case) in enumerate(zip(truths, cases, strict=True)):
            slices = opened.checked[index].cut.slices(predicted.transpose(2, 1, 0))
            scoring.take(index, np.ascontiguousarray(slices))
            row = scoring.rows()[-1]
            assert row["case"] == case.name
            for name, label in (("a", 1), ("b", 2)):
                expected = slowly(predicted == label, truth == label, 1.3, SPACING)
                for measure in MEASURES:
                    value = expected[measure]
                    wanted = None if value is None else pytest.approx(value, abs=1e-6, rel=1e-6)
                    assert row["scores"][name][measure] == wanted, (ours, case.name, name, measure)
        found = opened.summarise(scoring.rows())
        assert found["hd95_mm"] is not None
        assert f"hd95_mm.{opened.classes[1]}" in found
