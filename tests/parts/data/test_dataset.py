import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from gmssl.errors import DataError
from gmssl.interfaces.registry import part
from gmssl.interfaces.views import Draw
from gmssl.parts.data.dataset import EPOCHS, ViewDataset, collate, key_of
from gmssl.parts.data.folder import Folder
from gmssl.parts.data.phantoms import Phantoms
from gmssl.parts.views.multi_crop import MultiCrop

VIEWS = MultiCrop(large_size=24, small=1, small_size=16)


def fields(batch):
    return [*batch.images, batch.affines, batch.photometric, batch.index, batch.unreadable]


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_do_not_depend_on_workers(channels):
    data = ViewDataset(Phantoms(number=20, size=32).images(), VIEWS, channels, seed=5)
    keys = [20 * 3 + index for index in range(20)]
    alone, helped = (
        list(DataLoader(data, batch_size=8, sampler=keys, num_workers=workers, collate_fn=collate))
        for workers in (0, 2)
    )
    assert len(alone) == len(helped) == 3
    for one, other in zip(alone, helped, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(fields(one), fields(other), strict=True))
    batch = alone[0]
    assert [tuple(x.shape) for x in batch.images] == [(8, channels, 24, 24)] * 2 + [(8, channels, 16, 16)]
    assert (batch.affines.shape, batch.affines.dtype) == ((3, 8, 2, 3), torch.float32)
    assert (batch.photometric.shape[:2], batch.photometric.dtype) == ((3, 8), torch.float32)
    assert batch.index.tolist() == list(range(8))
    assert batch.index.dtype == batch.unreadable.dtype == torch.int64
    assert batch.unreadable.tolist() == [-1] * 8


def test_keys_hold_epoch_and_index():
    images = Phantoms(number=4, size=32).images()
    data = pickle.loads(pickle.dumps(ViewDataset(images, VIEWS, 1, seed=5)))
    assert len(data) == 4
    views, index, unreadable = data[4 * 7 + 2]
    expected = VIEWS.crop(images.load(2, 1), Draw(seed=5, epoch=7, index=2))
    assert (index, unreadable) == (2, -1)
    for got, wanted in zip(views.crops, expected.crops, strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(views.affines, expected.affines)


@pytest.mark.parametrize("copy", [0, 1, 2, 10**6])
def test_copies_have_keys_and_views_of_their_own(copy):
    images = Phantoms(number=4, size=32).images()
    balance = part("balance", "duplicates")
    data = pickle.loads(pickle.dumps(ViewDataset(images, VIEWS, 1, seed=5, copied=balance.copied)))
    key = key_of(4, EPOCHS - 1, 2, copy)
    assert (key == (EPOCHS - 1) * 4 + 2) == (copy == 0)
    views, index, unreadable = data[key]
    draw = Draw(seed=5, epoch=EPOCHS - 1, index=2, copy=copy)
    image = images.load(2, 1)
    expected = VIEWS.crop(balance.copied(image, draw) if copy else image, draw)
    assert (index, unreadable) == (2, -1)
    for got, wanted in zip(views.crops, expected.crops, strict=True):
        np.testing.assert_array_equal(got, wanted)
    others = [data[key_of(4, EPOCHS - 1, 2, other)][0] for other in range(3) if other != copy]
    assert all(not np.array_equal(views.photometric, other.photometric) for other in others)
    uncut = ViewDataset(images, VIEWS, 1, seed=5)[key][0]
    assert np.array_equal(uncut.affines, views.affines)
    assert np.array_equal(uncut.crops[0], views.crops[0]) == (copy == 0)


@pytest.fixture
def damaged(tmp_path):
    for number in range(5):
        Image.effect_noise((20 + number, 20), 80).save(tmp_path / f"{number}.png")
    for number in (1, 2, 4):
        (tmp_path / f"{number}.png").write_bytes(b"")
    return Folder(root=tmp_path).images()


def test_unreadable_images_are_replaced_by_the_next_and_reported(damaged):
    data = ViewDataset(damaged, VIEWS, 1, seed=0)
    items = [data[5 + index] for index in range(5)]
    assert [(index, unreadable) for _, index, unreadable in items] == [(0, -1), (3, 1), (3, 2), (3, -1), (0, 4)]
    batch = collate(items)
    assert batch.unreadable.tolist() == [-1, 1, 2, -1, 4]
    own, replacements = items[3][0], (items[1][0], items[2][0])
    assert all(not np.array_equal(own.photometric, other.photometric) for other in replacements)


def test_a_set_without_a_readable_image_is_an_error(damaged, tmp_path):
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 5 images can be read; the last one: .* is empty"):
        ViewDataset(damaged, VIEWS, 1, seed=0)[3]


def test_batches_move_between_devices(damaged):
    batch = collate([ViewDataset(damaged, VIEWS, 3, seed=0)[n] for n in range(5)])
    moved = batch.to(torch.device("meta"))
    assert {x.device.type for x in fields(moved)} == {"meta"}
