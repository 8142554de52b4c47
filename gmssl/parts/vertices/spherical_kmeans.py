"""k-means for directions."""

from __future__ import annotations

from dataclasses import dataclass

from gmssl.errors import ProblemError
from gmssl.lazy import torch

_ENTRIES = 2**24
"""Largest number of cosines that are held at once."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """What `spherical_kmeans` found.

    Attributes:
        centroids: vectors of unit length, `[K,D]`.
        chosen: the nearest centroid of each row, `[N]` int64.
        cosine: cosine of each row with that centroid, `[N]`.
    """

    centroids: torch.Tensor
    chosen: torch.Tensor
    cosine: torch.Tensor


def spherical_kmeans(rows_ND: torch.Tensor, number: int, iterations: int, generator: torch.Generator) -> Clusters:
    """Maximise the mean cosine of rows with their nearest centroid (Dhillon and Modha 2001), from random rows.

    The mean cosine never falls from one iteration to the next. A cluster that becomes empty begins anew with a random
    row of the largest one, so that no cluster is empty in the end if at least `number` rows have different directions.
    There is no atomic addition of floats: equal input has equal output on the same device.

    Args:
        rows_ND: vectors of unit length, `[N,D]`.
        number: number K of clusters.
        iterations: largest number of iterations; there are fewer if no row changes its cluster any more.
        generator: random generator on the CPU.

    Raises:
        ProblemError: there are fewer rows than clusters, or rows that are not finite.
    """
    if len(rows_ND) < number:
        raise ProblemError(
            f"k-means of {number} clusters needs as many readable images, not {len(rows_ND)}; lower vertices.numbers."
        )
    if not bool(torch.isfinite(rows_ND).all()):
        raise ProblemError(
            "k-means got embeddings that are not finite; lower optimiser.learning_rate, or set train.clip."
        )
    first = torch.randperm(len(rows_ND), generator=generator, device="cpu")[:number]
    clusters = _assigned(rows_ND, rows_ND[first.to(rows_ND.device)], generator)
    for _ in range(iterations):
        former, clusters = clusters, _assigned(rows_ND, _means(rows_ND, clusters), generator)
        if torch.equal(former.chosen, clusters.chosen):
            break
    return clusters


def _assigned(rows: torch.Tensor, centroids: torch.Tensor, generator: torch.Generator) -> Clusters:
    """Each row chooses the nearest centroid; centroids that nobody chose are moved to rows until all are chosen.

    A moved centroid stands on a row that was apart from all centroids, which nobody can take from it. So centroids that
    stand on no row become fewer with each repetition, and the mean cosine rises.
    """
    clusters = _nearest(rows, centroids)
    for _ in range(len(centroids)):
        empty = (clusters.chosen.bincount(minlength=len(centroids)) == 0).nonzero()[:, 0].tolist()
        if not empty or not _move(rows, clusters, empty, generator):
            break
        clusters = _nearest(rows, clusters.centroids)
    return clusters


def _nearest(rows: torch.Tensor, centroids: torch.Tensor) -> Clusters:
    best = [(part @ centroids.mT).max(1) for part in rows.split(_step(centroids))]
    return Clusters(centroids, torch.cat([b.indices for b in best]), torch.cat([b.values for b in best]))


def _means(rows: torch.Tensor, clusters: Clusters) -> torch.Tensor:
    """The direction of the sum of each cluster; the former centroid if the sum has none."""
    sums = torch.zeros_like(clusters.centroids)
    step = _step(sums)
    for part, chosen in zip(rows.split(step), clusters.chosen.split(step), strict=True):
        # This is a product with 0 and 1 instead of a scattered sum, whose order a GPU leaves open.
        members = part.new_zeros(len(part), len(sums)).scatter_(1, chosen[:, None], 1)
        sums += members.mT @ part
    lengths = sums.norm(dim=1, keepdim=True)
    return torch.where(lengths > 0, sums / lengths.clamp(min=torch.finfo(sums.dtype).tiny), clusters.centroids)


def _move(rows: torch.Tensor, clusters: Clusters, empty: list[int], generator: torch.Generator) -> bool:
    """Move empty centroids, in place, to random rows of what is then the largest cluster; False if nothing moved.

    Rows in the direction of a centroid are not counted: a cluster of equal rows cannot be divided.
    """
    # The cosine of equal directions is 1 only up to the rounding of its sum.
    same = 1 - 32 * torch.finfo(rows.dtype).eps
    chosen, apart = clusters.chosen.clone(), clusters.cosine < same
    for number, cluster in enumerate(empty):
        sizes = chosen[apart].bincount(minlength=len(clusters.centroids))
        if not bool(sizes.any()):
            return number > 0
        members = (apart & (chosen == sizes.argmax())).nonzero()[:, 0]
        centroid = rows[members[int(torch.randint(len(members), (), generator=generator, device="cpu"))]]
        clusters.centroids[cluster] = centroid
        apart &= rows @ centroid < same
    return True


def _step(centroids: torch.Tensor) -> int:
    """Number of rows whose cosines with all centroids are held at once."""
    return max(1, _ENTRIES // len(centroids))
