"""What an audit finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gmssl.corpus.audit.sides import UNKNOWN, Side
from gmssl.lazy import numpy

EXACT, NEAR = "exact", "near"


@dataclass(frozen=True)
class Pair:
    """A test image and a stored one that show the same.

    Attributes:
        kind: `EXACT` for equal grey pixels, `NEAR` for others.
        score: 1 for equal pixels, else that of `alignment.score`.
        stored: number of the stored image; of several with the same pixels, the first.
        copies: how many stored images have these pixels.
        test: number of the test image.
        digest, test_digest: sha256 of the grey pixels of the two.
    """

    kind: str
    score: float
    stored: int
    copies: int
    test: int
    digest: str
    test_digest: str


@dataclass(frozen=True)
class Shared:
    """A patient or study with images on both sides.

    Attributes:
        what: "patient" or "study".
        name: its hash.
        dataset, test_dataset: where the images belong.
        images, test_images: how many there are.
    """

    what: str
    name: str
    dataset: str
    images: int
    test_dataset: str
    test_images: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """A test set against the store, or a store against itself.

    Attributes:
        test: the test set; the store, if it is compared with itself.
        within: whether it is.
        pairs: copies, exact ones first, then by falling score.
        shared: patients and studies on both sides.
        ids: whether patients and studies can be compared: both sides have some, hashed with the same salt.
        unreadable: number of test images that cannot be read.
        blank: number of test images that are of one grey, which are copies of nothing.
    """

    test: Side
    within: bool
    pairs: tuple[Pair, ...]
    shared: tuple[Shared, ...]
    ids: bool
    unreadable: int
    blank: int

    def images(self, kind: str | None = None) -> set[int]:
        """Test images that are in a pair of this kind, or of any."""
        return {pair.test for pair in self.pairs if kind in (None, pair.kind)}

    def of_kind(self, kind: str) -> tuple[Pair, ...]:
        """Pairs of this kind."""
        return tuple(pair for pair in self.pairs if pair.kind == kind)


@dataclass(frozen=True)
class Overlap:
    """What a dataset of the store and one of a test set have in common, as numbers of test images and of patients."""

    test: str
    dataset: str
    test_dataset: str
    images: int
    exact: int
    near: int
    patients: int

    @property
    def share(self) -> float:
        """Part of the images of the test set's dataset that are copies."""
        return (self.exact + self.near) / self.images


@dataclass(frozen=True, eq=False)
class Audit:
    """All that was found.

    Attributes:
        store: what was searched.
        digests: sha256 of the grey pixels of its images, `[N]` S64; empty where one cannot be read.
        unreadable: number of its images that cannot be read.
        comparisons: one for each test set.
        threshold: least score of a near copy.
    """

    store: Side
    digests: numpy.ndarray
    unreadable: int
    comparisons: tuple[Comparison, ...]
    threshold: float

    @cached_property
    def overlaps(self) -> tuple[Overlap, ...]:
        """Datasets that have something in common, those with the largest shares first: one source under two names."""
        found = [overlap for comparison in self.comparisons for overlap in _overlaps(self.store, comparison)]
        return tuple(sorted(found, key=lambda one: (-one.share, -one.patients, one.dataset, one.test_dataset)))


def _overlaps(store: Side, comparison: Comparison) -> Iterable[Overlap]:
    totals = Counter(comparison.test.dataset.numbers.tolist())
    names = comparison.test.dataset.values
    images = {names[number]: count for number, count in totals.items()}
    seen: dict[tuple[str, str], tuple[set[int], set[int]]] = {}
    for pair in comparison.pairs:
        between = (str(store.dataset.of(pair.stored)), str(comparison.test.dataset.of(pair.test)))
        seen.setdefault(between, (set(), set()))[pair.kind == NEAR].add(pair.test)
    patients = Counter((one.dataset, one.test_dataset) for one in comparison.shared if one.what == "patient")
    for between in sorted(seen.keys() | patients.keys()):
        exact, near = seen.get(between, (set(), set()))
        yield Overlap(
            comparison.test.name,
            *between,
            images[between[1]],
            len(exact),
            len(near - exact),
            patients[between],
        )


def shared_ids(store: Side, test: Side, within: bool) -> tuple[Shared, ...]:
    """Patients and studies that both sides have; of a store itself, those of two of its datasets."""
    if not comparable(store, test):
        return ()
    found = []
    for what in ("patient", "study"):
        mine, theirs = _by_name(store, what), _by_name(test, what)
        for name in sorted(mine.keys() & theirs.keys()):
            found += [
                Shared(what, name, dataset, images, test_dataset, test_images)
                for dataset, images in sorted(mine[name].items())
                for test_dataset, test_images in sorted(theirs[name].items())
                if not within or dataset < test_dataset
            ]
    return tuple(found)


def comparable(store: Side, test: Side) -> bool:
    """Whether both sides know patients or studies, hashed with the same salt."""
    known = [bool(side.patient.values or side.study.values) for side in (store, test)]
    return all(known) and store.mark == test.mark


def _by_name(side: Side, what: str) -> dict[str, Counter[str]]:
    """How many images of each dataset a patient or study has."""
    names = side.patient if what == "patient" else side.study
    found: dict[str, Counter[str]] = {}
    for (name, dataset), count in Counter(
        zip(names.numbers.tolist(), side.dataset.numbers.tolist(), strict=True)
    ).items():
        if name != UNKNOWN:
            found.setdefault(names.values[name], Counter())[side.dataset.values[dataset]] += count
    return found


def sorted_pairs(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Exact ones first, then by falling score, then in the order of the images."""
    return tuple(sorted(pairs, key=lambda one: (one.kind != EXACT, -round(one.score, 4), one.test, one.stored)))


@dataclass(frozen=True)
class Exclusion:
    """An image that a training set should do without.

    Attributes:
        pixels: sha256 of its grey pixels.
        reason: kind of the pair, or "patient" or "study".
        score: of the pair; 1 for the others.
        image: number of the stored image.
    """

    pixels: str
    reason: str
    score: float
    image: int


def exclusions(audit: Audit, patients: bool = False) -> list[Exclusion]:
    """The stored images to leave out of the training set, in their order.

    Of two images of one store that are nearly copies, the later one; of exact copies none, since all would go.

    Args:
        audit: what was found.
        patients: whether all images of patients and studies of the test sets are left out, too.
    """
    found: dict[str, tuple[str, float]] = {}
    for comparison in audit.comparisons:
        for pair in comparison.pairs:
            if not comparison.within:
                found.setdefault(pair.digest, (pair.kind, pair.score))
            elif pair.kind == NEAR:
                found.setdefault(pair.test_digest, (pair.kind, pair.score))
        for shared in comparison.shared if patients and not comparison.within else ():
            names = audit.store.patient if shared.what == "patient" else audit.store.study
            for digest in audit.digests[names.numbers == names.values.index(shared.name)].tolist():
                found.setdefault(digest.decode(), (shared.what, 1.0))
    found.pop("", None)  # unreadable
    rows = enumerate(digest.decode() for digest in audit.digests.tolist())
    return [Exclusion(digest, *found[digest], image) for image, digest in rows if digest in found]
