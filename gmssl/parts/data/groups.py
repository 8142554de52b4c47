"""Images in groups, by what their records say."""

from __future__ import annotations

from gmssl.errors import DataError
from gmssl.interfaces.balance import GroupingFact, Groups
from gmssl.interfaces.data import Images, TellsFacts
from gmssl.lazy import numpy

UNKNOWN = "unknown"
"""The group of images of which the fact is not known."""


def grouped(images: Images, fact: GroupingFact | None) -> Groups:
    """The groups of images, in the order of their names; one group of all without a fact.

    Raises:
        DataError: the fact is not known of any image.
    """
    if fact is None:
        return Groups(("all",), numpy.zeros(len(images), dtype=numpy.int32))
    told = images.facts(fact) if isinstance(images, TellsFacts) else [getattr(r, fact) for r in images.records]
    found = set(told)
    if not any(found):
        raise DataError(
            f"balance.by: the {fact} is not known of any image. Name another fact, list the images in a manifest with "
            f"a column {fact}, or use balance: none."
        )
    names = sorted({name or UNKNOWN for name in found})
    numbers = {name: names.index(name or UNKNOWN) for name in found}
    return Groups(tuple(names), numpy.fromiter((numbers[name] for name in told), numpy.int32, len(told)))
