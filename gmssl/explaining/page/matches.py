"""How well images are matched, group by group, and which are confused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gmssl.explaining.accuracy import GroupAccuracy
from gmssl.explaining.counting import Confusion
from gmssl.explaining.pictures import MOST_GROUPS, Picture
from gmssl.explaining.report import Report
from gmssl.explaining.sample import NAMELESS


@dataclass(frozen=True)
class Looked:
    """The images that were looked at.

    Attributes:
        images: how many.
        listed: how many the source names.
        unreadable: how many were passed over.
        grouped_by: the fact that names their groups; None if the data name none.
        batch: images matched at a time.
        passes: how often all were.
    """

    images: int
    listed: int
    unreadable: int
    grouped_by: str | None
    batch: int
    passes: int


def looked_at(report: Report) -> Looked:
    """The sample of a report."""
    sample = report.sample
    return Looked(
        images=len(sample.images),
        listed=sample.listed,
        unreadable=sample.unreadable,
        grouped_by=sample.grouped_by,
        batch=sample.batch,
        passes=report.effort.passes,
    )


@dataclass(frozen=True)
class Flow:
    """Wrong matches that lead from one group to another, as a share of all matches of the first."""

    source: str
    target: str
    share: float


@dataclass(frozen=True)
class Accuracy:
    """Match accuracy.

    Attributes:
        overall: of all images.
        groups: the same, and then each group.
        most_drawn: groups that the picture has room for.
        nameless: the name of the group of images without one.
        flows: between all groups.
    """

    overall: GroupAccuracy
    groups: tuple[GroupAccuracy, ...]
    most_drawn: int
    nameless: str
    flows: tuple[Flow, ...]


def accuracy_of(report: Report) -> Accuracy:
    """Match accuracy of a report."""
    return Accuracy(
        overall=report.accuracies[0],
        groups=tuple(report.accuracies),
        most_drawn=MOST_GROUPS,
        nameless=NAMELESS,
        flows=tuple(
            Flow(source, target, share)
            for source, row in zip(report.groups, report.flows.tolist(), strict=True)
            for target, share in zip(report.groups, row, strict=True)
        ),
    )


@dataclass(frozen=True)
class Pair:
    """An image that was matched with a wrong one.

    Attributes:
        image, partner: their names.
        group, partner_group: and those of their groups.
        times: how often.
        met: how often the image was matched at all, with this partner at hand.
        shares: mean energy difference to the truth, of each term.
        vertex, edge, energy: its sums over vertex terms, edge terms, all terms.
        picture: of both.
    """

    image: str
    partner: str
    group: str
    partner_group: str
    times: int
    met: int
    shares: tuple[float, ...]
    vertex: float
    edge: float
    energy: float
    picture: Picture


@dataclass(frozen=True)
class Pairs:
    """The most confused pairs.

    Attributes:
        confused: how many pairs were confused at all.
        shown: the most confused ones.
        terms: names of the terms of the affinity.
    """

    confused: int
    shown: tuple[Pair, ...]
    terms: tuple[str, ...]


def pairs_of(report: Report, pictures: Mapping[str, Picture]) -> Pairs:
    """The most confused pairs of a report; those with a picture are shown."""
    drawn = [(found, pictures.get(f"pair-{rank:02}")) for rank, found in enumerate(report.confused, 1)]
    return Pairs(
        confused=len(report.confused),
        shown=tuple(_pair(report, found, picture) for found, picture in drawn if picture),
        terms=report.terms,
    )


def _pair(report: Report, found: Confusion, picture: Picture) -> Pair:
    records, groups = report.sample.images.records, report.sample.groups
    return Pair(
        image=records[found.image].name,
        partner=records[found.partner].name,
        group=groups[found.image],
        partner_group=groups[found.partner],
        times=found.times,
        met=found.met,
        shares=found.shares,
        vertex=found.vertex,
        edge=found.edge,
        energy=found.vertex + found.edge,
        picture=picture,
    )
