import numpy as np
import pytest
import torch
from PIL import Image

from gmssl.errors import DataError
from gmssl.parts.data.dataset import PlainDataset
from gmssl.parts.data.folder import Folder


@pytest.fixture
def images(tmp_path):
    Image.linear_gradient("L").resize((60, 40)).save(tmp_path / "0.png")
    Image.new("RGB", (700, 900), (10, 20, 30)).save(tmp_path / "1.png")
    (tmp_path / "2.png").touch()
    return Folder(root=tmp_path).images()


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_images_in_one_size(images, channels):
    data = PlainDataset(images, channels, size=16)
    assert len(data) == 3
    gradient = data[0]
    assert (gradient.shape, gradient.dtype) == ((channels, 16, 16), torch.uint8)
    expected = (np.arange(16) + 0.5) * 16 - 0.5  # 256 grey levels from top to bottom
    np.testing.assert_allclose(gradient[0, 1:-1, 5], expected[1:-1], atol=1.5)
    assert data[1].unique().tolist() == ([10, 20, 30] if channels == 3 else [18])


def test_unreadable_images_are_an_error(images):
    with pytest.raises(DataError, match=r"2\.png .*empty"):
        PlainDataset(images, 1, size=16)[2]
