"""Pictures keep their pixels, and lose what they say beside them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gmssl.system.images.metadata import without_metadata

SECRET = b"Jane Doe"


def picture(mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def talkative(kind: str, **options: object) -> bytes:
    """A file that names somebody wherever its format lets it."""
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = SECRET.decode()
    if kind == "PNG":
        words = PngInfo()
        words.add_text("Patient", SECRET.decode())
        words.add_itxt("Patient", SECRET.decode(), zip=True)
        return saved(picture(), kind, pnginfo=words, exif=exif, **options) + SECRET
    return saved(picture(), kind, comment=SECRET, exif=exif, icc_profile=SECRET * 9, **options) + SECRET


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"quality": 30}), ("PNG", {})]
)
def test_words_go_and_pixels_stay(kind: str, options: dict[str, object]) -> None:
    content = talkative(kind, **options)
    assert SECRET in content
    bare = without_metadata(content)
    assert bare is not None
    assert SECRET not in bare
    before, after = (Image.open(io.BytesIO(x)) for x in (content, bare))
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert not after.getexif()
    assert not after.info.keys() & {"comment", "icc_profile", "Patient"}
    assert without_metadata(bare) == bare


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_meaning_of_channels_stays(mode: str) -> None:
    content = saved(picture(mode), "JPEG")
    bare = without_metadata(content)
    assert bare is not None
    before, after = (Image.open(io.BytesIO(x)) for x in (content, bare))
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert before.info.get("adobe") == after.info.get("adobe")


def test_other_formats_are_not_read() -> None:
    assert without_metadata(saved(picture(), "BMP")) is None
    assert without_metadata(b"") is None


@given(st.sampled_from(["JPEG", "PNG"]), st.data())
def test_damaged_files_raise_nothing(kind: str, data: st.DataObject) -> None:
    content = bytearray(talkative(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    without_metadata(bytes(content[: data.draw(st.integers(0, len(content)))]))


def test_a_store_keeps_no_words(tmp_path: Path) -> None:
    """Seen from the pictures of an archive; a turned one is stored upright."""
    from gmssl.corpus.slices import Slice
    from gmssl.corpus.unit import _kept_file

    content = talkative("JPEG")
    values = np.asarray(Image.open(io.BytesIO(content)))
    kept = _kept_file(Slice(0, values, encoded=content), "x")
    assert kept is not None
    assert SECRET not in kept
    turned = Image.Exif()
    turned[0x0112] = 6
    content = saved(picture(), "JPEG", exif=turned)
    upright = np.rot90(np.asarray(Image.open(io.BytesIO(content))), -1)
    assert _kept_file(Slice(0, upright, encoded=content), "x") is None
