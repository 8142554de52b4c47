"""From volumes to rows slice by slice: what is learnt, what is scored, and what is written."""

from __future__ import annotations

import pickle

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("segmentation_models_pytorch")
pytest.importorskip("monai")

from gmssl.interfaces.cases import Case
from gmssl.interfaces.registry import part
from gmssl.parts.tasks.volumes.task import VolumeSegmentation
from tests.parts.tasks.segmentation.discs import PooledBackbone
from tests.parts.tasks.volumes.blobs import SHAPE, blob, blobs, save, turned

AXES = ("acquired", "axial", "coronal", "sagittal")
PLACES = {
    "straight": turned(),
    "oblique": turned(25.0),
    "negative": turned(10.0, flips=(-1, 1, -1)),
    "permuted": turned(15.0, flips=(1, -1, 1), order=(2, 0, 1)),
}


def whole(opened, index: int, keep: bool = False, wrong: int = 0):
    """Score a predictor that knows the truth of each slice on its own grid, or all but `wrong` slices."""
    check, settings = opened.checked[index], opened.settings
    scoring = opened.scoring([index], keep)
    truth = check.cut.slices(scoring._truth(index))
    for number, labels in enumerate(truth):
        # Larger than the slice, in whole steps, so that the way to the grid and back loses nothing.
        shares = torch.nn.functional.one_hot(torch.from_numpy(labels.astype(np.int64)), 1 + len(settings.names))
        image = shares.permute(2, 0, 1)[None].float()
        drawn = torch.nn.functional.interpolate(image, (settings.size, settings.size), mode="nearest-exact")
        scoring.add({"cases": [index], "slices": [number]}, drawn if number >= wrong else drawn.flip(1))
    return scoring


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("place", PLACES)
def test_a_perfect_predictor_scores_one_and_its_file_lies_on_the_image(tmp_path, place, axis) -> None:
    affine, shape = PLACES[place], (16, 8, 4)  # each divides 64
    cases = blobs(1, tmp_path / "data", affine, shape)
    opened = VolumeSegmentation(size=64, axis=axis).open(cases, 1)
    scoring = whole(opened, 0, keep=True)
    scores = opened.summarise(scoring.rows())
    assert [scores[name] for name in ("dice", "iou", "hd95_mm", "surface_dice")] == [1, 1, 0, 1]
    picture, file = scoring.write(tmp_path / "out")
    assert (picture.name, file.name) == ("0.png", "0_prediction.nii.gz")
    written, image = nibabel.load(file), nibabel.load(cases[0].image)
    assert (written.affine == image.affine).all()
    assert written.shape == image.shape
    assert written.get_data_dtype() == np.uint8
    assert (np.asarray(written.dataobj) == blob(0, shape)).all()


def headers(image):
    """Files with a place in space that is said in each of the ways that NIfTI has."""
    both, quaternion, neither = (nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header) for _ in range(3))
    quaternion.header.set_qform(image.affine, 1)
    quaternion.header.set_sform(None, 0)
    neither.header.set_qform(None, 0)
    neither.header.set_sform(None, 0)
    swapped = image.header.as_byteswapped()
    return {
        "sform": both,
        "qform": nibabel.Nifti1Image(quaternion.dataobj, None, quaternion.header),
        "neither": nibabel.Nifti1Image(neither.dataobj, None, neither.header),
        "big endian": nibabel.Nifti1Image(both.dataobj, None, swapped),
        "trailing": nibabel.Nifti1Image(np.asarray(image.dataobj)[..., None], image.affine),
        "second": nibabel.Nifti2Image(np.asarray(image.dataobj), image.affine),
    }


@pytest.mark.parametrize("way", ["sform", "qform", "neither", "big endian", "trailing", "second"])
def test_files_have_the_place_of_the_image_however_it_is_said(tmp_path, way) -> None:
    case = blobs(1, tmp_path, turned(17.0, flips=(-1, 1, 1)), (16, 8, 4))[0]
    for path in case.files.values():
        nibabel.save(headers(nibabel.load(path))[way], path)
    opened = VolumeSegmentation(size=64).open([case], 1)
    file = whole(opened, 0, keep=True).write(tmp_path / "out")[1]
    written, image = nibabel.load(file), nibabel.load(case.image)
    assert np.array_equal(written.affine, image.affine)
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(nibabel.load(case.files["mask"]).dataobj))
    if way != "second":
        assert [written.header[code] for code in ("qform_code", "sform_code", "xyzt_units")] == [
            image.header[code] for code in ("qform_code", "sform_code", "xyzt_units")
        ]


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_what_is_drawn_is_found_again(tmp_path, fit) -> None:
    """Also where the grid of the network is no multiple of that of the slices."""
    opened = VolumeSegmentation(size=96, fit=fit).open(blobs(2, tmp_path), 1)
    examples, scoring = opened.testing([0, 1]), opened.scoring([0, 1])
    for number in range(len(examples)):
        batch = opened.collate([examples[number]])
        labels = batch["labels"].long()
        labels[labels == 255] = 0
        scoring.add(batch, torch.nn.functional.one_hot(labels, 2).permute(0, 3, 1, 2).float())
    scores = opened.summarise(scoring.rows())
    assert scores["dice"] > 0.95
    assert [row["case"] for row in scoring.rows()] == ["0.nii.gz", "1.nii.gz"]


def test_an_epoch_balances_slices_with_and_without_foreground(tmp_path) -> None:
    cases = blobs(3, tmp_path)
    opened = VolumeSegmentation(size=32).open(cases, 1)
    examples = opened.training([0, 2], 5)
    filled = sum(sum(opened.checked[index].filled) for index in (0, 2))
    for epoch in range(3):
        drawn = [examples[epoch, index] for index in examples.epoch(epoch)]
        with_foreground = [opened.checked[one.case].filled[one.slice] for one in drawn]
        assert (sum(with_foreground), len(drawn)) == (filled, 2 * filled)
        assert len(set(examples.epoch(epoch))) == len(drawn)
    assert sorted(examples.epoch(0)) != sorted(examples.epoch(1))
    every = VolumeSegmentation(size=32, negatives=None).open(cases, 1).training([0, 2], 5)
    assert sorted(every.epoch(0)) == list(range(2 * SHAPE[2]))
    none = VolumeSegmentation(size=32, negatives=0).open(cases, 1).training([0, 2], 5)
    assert len(none.epoch(0)) == filled


def test_examples_come_from_seed_epoch_and_index_and_not_from_memory(tmp_path) -> None:
    cases = blobs(2, tmp_path)
    augmentation = {"flip": "both", "rotation": 30, "brightness": 0.3}
    kept, stored = (
        VolumeSegmentation(size=32, cache=cache, augmentation=augmentation).open(cases, 3) for cache in (100, 0)
    )
    one, other = kept.training([0, 1], 7), pickle.loads(pickle.dumps(stored.training([0, 1], 7)))
    assert one.epoch(2) == other.epoch(2)
    for index in reversed(one.epoch(2)):
        first, second = one[2, index], other[2, index]
        assert torch.equal(first.image, second.image)
        assert torch.equal(first.labels, second.labels)
        assert (first.image.shape, first.image.dtype) == ((3, 32, 32), torch.uint8)
    assert not torch.equal(one[2, 0].image, one[3, 0].image)


def test_several_sequences_are_channels_in_turn_or_their_mean(tmp_path) -> None:
    cases = []
    for case in blobs(1, tmp_path):
        values = np.random.default_rng(9).integers(0, 900, (2, *SHAPE)).astype(np.int16)
        others = {f"other{n}": save(tmp_path / f"o{n}.nii.gz", values[n], turned()) for n in range(2)}
        cases.append(Case(case.name, {**case.files, **others}))

    def planes(roles, channels):
        return VolumeSegmentation(size=32, images=roles).open(cases, channels).testing([0])[4].image.float()

    single = [planes((role,), 1)[0] for role in ("image", "other0", "other1")]
    assert torch.equal(planes(("image", "other0", "other1"), 3), torch.stack(single))
    assert torch.equal(planes(("image",), 3), torch.stack([single[0]] * 3))
    assert torch.equal(planes(("image", "other0"), 3), torch.stack([single[0], single[1], single[0]]))
    for roles in [("image", "other0"), ("image", "other0", "other1")]:
        (mean,) = planes(roles, 1)
        assert (mean - torch.stack(single[: len(roles)]).mean(0)).abs().max() <= 1.5
    # Changed for training, they have what each alone would have.
    settings = {"size": 32, "augmentation": {"rotation": 20, "brightness": 0.2}}

    def changed(roles, channels):
        training = part("task", "volume_segmentation", images=roles, **settings).open(cases, channels).training([0], 5)
        return training[1, training.epoch(1)[0]].image

    both = changed(("image", "other0"), 3)
    assert torch.equal(both[0], both[2])
    assert torch.equal(both[0], changed(("image",), 1)[0])


def test_a_network_learns_blobs_and_predictions_do_not_depend_on_the_batch(tmp_path) -> None:
    opened = part("task", "volume_segmentation", size=32, decoder_channels=(16, 12, 8, 8, 8)).open(
        blobs(4, tmp_path), 1
    )
    torch.manual_seed(0)
    network = opened.network(PooledBackbone())
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    examples = opened.training([0, 1, 2], seed=3)
    for epoch in range(25):
        optimiser.zero_grad()
        network.loss(opened.collate([examples[epoch, index] for index in examples.epoch(epoch)])).backward()
        optimiser.step()
    tested, found = opened.testing([3]), []
    for size in (4, 9):
        scoring = opened.scoring([3])
        for start in range(0, len(tested), size):
            batch = opened.collate([tested[number] for number in range(len(tested))[start : start + size]])
            scoring.add(batch, network.predict(batch))
        found.append(opened.summarise(scoring.rows()))
    assert found[0]["dice"] > 0.6
    assert found[0]["dice"] == pytest.approx(found[1]["dice"], abs=1e-3)


def test_the_worst_slice_is_shown_with_square_pixels(tmp_path) -> None:
    cases = blobs(1, tmp_path / "data", turned(0, (1, 2, 4)), (16, 8, 8))
    opened = VolumeSegmentation(size=64, axis="sagittal").open(cases, 1)
    scoring = whole(opened, 0, keep=True, wrong=3)
    assert opened.summarise(scoring.rows())["dice"] < 1
    with Image.open(scoring.write(tmp_path / "out")[0]) as picture:
        assert 4 * 100 <= picture.width < 4 * 110  # four panels, twice as tall as wide
        assert picture.height >= 200
