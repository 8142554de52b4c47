"""Mask files as they are on disk: whole numbers for each pixel, and which class they stand for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field

from gmssl.errors import DataError
from gmssl.interfaces.cases import Case
from gmssl.lazy import numpy
from gmssl.system.images.reading import FORMATS, MAX_PIXELS
from gmssl.system.workers import of_the_machine

MASK = "mask"
"""The role of the file that holds the classes as numbers."""

FIELD_OF_VIEW = "field_of_view"
"""The role of a mask whose pixels other than zero are the ones that count."""

SECOND_OBSERVER = "second_observer"
"""The role of another person's annotation of the same image, written like the first."""

BACKGROUND = 0
"""The label of all pixels that belong to no class; classes are 1, 2, …"""

UNCOUNTED = 255
"""The label of pixels that neither train nor count."""

MOST_CLASSES = 254

Grey: TypeAlias = Annotated[int, Field(ge=0, le=65535)]
Classes: TypeAlias = Mapping[str, tuple[Grey, ...] | tuple[str, ...]]
"""Class → grey values of the mask file, or roles of files in which pixels other than zero are of this class."""


def grey_values(path: Path) -> numpy.ndarray:
    """The numbers `[H,W]` that a mask file holds: grey values, or places of a palette; black and white are 0 and 255.

    Raises:
        DataError: the file cannot be read, has several pages, holds colours or numbers that are not whole.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged metadata; what matters is raised
            with Image.open(path, formats=(*FORMATS, "GIF")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{path} has {image.width}×{image.height} pixels, above the limit {MAX_PIXELS}")
                pages = getattr(image, "n_frames", 1)
                if pages > 1:
                    raise DataError(f"{path} has {pages} pages; write the one that is meant as a file")
                values = numpy.array(image.convert("L") if image.mode in ("1", "LA", "La") else image)
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        if of_the_machine(error):
            raise
        raise DataError(f"{path} cannot be read as a mask: {error}") from None
    return _flat(values, path)


def _flat(values: numpy.ndarray, path: Path) -> numpy.ndarray:
    if not numpy.issubdtype(values.dtype, numpy.integer):
        raise DataError(f"{path} holds numbers of type {values.dtype}, not whole ones")
    if values.ndim == 2:
        return values
    colours = values[..., :3]
    if (colours != colours[..., :1]).any():
        raise DataError(f"{path} is a colour image; a mask has one grey value for each class")
    return colours[..., 0]


def label_map(case: Case, classes: Classes, threshold: int | None = None) -> numpy.ndarray:
    """The classes `[H,W]` of a case as uint8: 0 for the background, then 1, 2, … in the order of `classes`.

    Args:
        case: the image and the files of its annotation.
        classes: which numbers or files stand for them; empty for one class, of which all pixels other than zero are.
        threshold: pixels above it are of the class where there is but one; for masks with tones of grey at their edges.

    Raises:
        DataError: no file, one that cannot be read, files of different sizes, or a number that stands for no class.
    """
    roles = roles_of(classes)
    if roles:
        return _from_files(case, roles)
    if MASK not in case.files:
        raise DataError(f"{case.name} has no file of the role {MASK!r}")
    return labelled(case.files[MASK], classes, threshold)


def labelled(path: Path, classes: Classes, threshold: int | None = None) -> numpy.ndarray:
    """The same from one file that holds the classes as numbers.

    Raises:
        DataError: as `label_map`.
    """
    values = grey_values(path)
    if threshold is not None:
        return (values > threshold).astype(numpy.uint8)
    found = numpy.unique(values)
    if not classes:
        tones = found[found != 0]
        if len(tones) > 1:
            raise DataError(
                f"{path} holds {len(tones)} values other than 0 ({_listed(tones)}), where one class has one"
            )
        return (values != 0).astype(numpy.uint8)
    labels = numpy.zeros(values.shape, numpy.uint8)
    known = {0}
    for number, greys in enumerate(classes.values(), start=1):
        labels[numpy.isin(values, greys)] = number
        known |= {int(grey) for grey in greys}
    strange = [value for value in found if int(value) not in known]
    if strange:
        raise DataError(f"{path} holds the values {_listed(strange)}, which are of no class")
    return labels


def roles_of(classes: Classes) -> dict[str, tuple[str, ...]]:
    """Class → roles of its files; empty where classes are numbers of one file."""
    return {
        name: roles for name, values in classes.items() if (roles := tuple(v for v in values if isinstance(v, str)))
    }


def counted(path: Path) -> numpy.ndarray:
    """Which pixels `[H,W]` of an image count, as booleans, from a file of the role `field_of_view`."""
    return grey_values(path) != 0


def _from_files(case: Case, roles: Mapping[str, tuple[str, ...]]) -> numpy.ndarray:
    """Later classes lie over earlier ones."""
    labels: numpy.ndarray | None = None
    for number, names in enumerate(roles.values(), start=1):
        for path in (case.files[name] for name in names if name in case.files):
            inside = grey_values(path) != 0
            if labels is None:
                labels = numpy.zeros(inside.shape, numpy.uint8)
            if labels.shape != inside.shape:
                raise DataError(f"{path} has {_size(inside)} pixels, other masks of {case.name} have {_size(labels)}")
            labels[inside] = number
    if labels is None:
        asked = ", ".join(repr(name) for names in roles.values() for name in names)
        raise DataError(f"{case.name} has no file of the roles {asked}")
    return labels


def _listed(values: Sequence[int]) -> str:
    """The first of many numbers."""
    return ", ".join(str(int(value)) for value in values[:5]) + (", …" if len(values) > 5 else "")


def _size(values: numpy.ndarray) -> str:
    return f"{values.shape[1]}×{values.shape[0]}"
