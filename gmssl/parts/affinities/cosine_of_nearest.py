"""Mean cosines of nearest map positions, by chunks of graphs, and a gradient that keeps no matrix of all positions.

For one graph pair let a be the n·P feature vectors of the left maps and b the m·Q of the right ones. Every position
finds its nearest in each image of the other side, so that of a·bᵀ one entry in Q counts, and one in P the other way
round. Let K hold the weights of the cosines of all pairs of positions in the score, times the upstream gradient,
r = 1 / |·|, and ∘ the inner product row by row:

    V = diag(r_a) K diag(r_b),    ∂L/∂a = V b − (a ∘ V b) r_a² a,    ∂L/∂b = Vᵀ a − (b ∘ Vᵀ a) r_b² b

From forward to backward only the maps, the indices of the nearest and their weights are kept; V is made anew for a
chunk of graphs at a time. Where |q| ≤ ε a vector has no direction: r = 0, so that its cosines are 0 and its gradient
is 0, and no derivative of a cosine is longer than 1 / ε.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

Distances = Callable[[slice, torch.Tensor], torch.Tensor]
"""From a chunk of graphs and their a·bᵀ `[g,n·P,m·Q]` to distances of that shape, of which only the order counts; +inf
where either position is padding."""

# Entries of a·bᵀ in a chunk: 16 MB in float32, enough to keep a GPU busy, and little beside the maps of a batch.
ENTRIES = 1 << 22
# Dimension of `[g,n,P,m,Q]` along which positions of the left maps search, and along which those of the right ones do.
_SEARCHED = (4, 2)


class _Found(NamedTuple):
    """The pairs of positions that count in one direction: `[G,n,P,m,1]`, or `[G,n,1,m,Q]`.

    Attributes:
        place: int64 index along the dimension of size 1.
        scale: factor on a·bᵀ in the score: r_a r_b over the number of pairs in the mean; 0 at padding.
    """

    place: torch.Tensor
    scale: torch.Tensor


def mean_cosine_of_nearest(
    left: torch.Tensor, right: torch.Tensor, kinds: tuple[Distances, ...], best: int | None, epsilon: float
) -> torch.Tensor:
    """Σ over kinds and both directions of the mean of cos(q, nearest q'), `[G,n,m]`; differentiable once.

    Args:
        left: maps `[G,n,P,C]`.
        right: maps `[G,m,Q,C]` of the same dtype.
        kinds: the distances that say what nearest means; no gradient passes through them.
        best: take the mean over this many nearest pairs only; None takes all pairs that are no padding.
        epsilon: length up to which a vector has no direction.
    """
    # Under autocast products of matrices would be of half precision, and rounding would choose neighbours.
    with torch.autocast(left.device.type, enabled=False):
        score: torch.Tensor = _MeanCosine.apply(left, right, kinds, best, epsilon)
    return score


class _MeanCosine(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        left: torch.Tensor,
        right: torch.Tensor,
        kinds: tuple[Distances, ...],
        best: int | None,
        epsilon: float,
    ) -> torch.Tensor:
        rates = _reciprocal_length(left, epsilon), _reciprocal_length(right, epsilon)
        scores: list[torch.Tensor] = []
        chunks: list[list[_Found]] = []
        for chunk in _chunks(left, right):
            flat = left[chunk].flatten(1, 2) @ right[chunk].flatten(1, 2).mT
            products = flat.view(-1, *left.shape[1:3], *right.shape[1:3])
            scores.append(left.new_zeros(len(products), left.shape[1], right.shape[1]))
            chunks.append([])
            for distances in kinds:
                far = distances(chunk, flat).view_as(products)
                for dim in _SEARCHED:
                    found = _search(far, dim, best, rates[0][chunk], rates[1][chunk])
                    scores[-1] += (products.gather(dim, found.place) * found.scale).sum((2, 4))
                    chunks[-1].append(found)
        kept = (torch.cat(parts) for same in zip(*chunks, strict=True) for parts in zip(*same, strict=True))
        ctx.save_for_backward(left, right, *rates, *kept)
        return torch.cat(scores)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        left, right, left_rate, right_rate, *kept = ctx.saved_tensors
        found = [_Found(*pair) for pair in zip(kept[::2], kept[1::2], strict=True)]
        to_left, to_right = (
            torch.empty_like(x) if needed else None
            for x, needed in zip((left, right), ctx.needs_input_grad[:2], strict=True)
        )
        with torch.autocast(left.device.type, enabled=False):
            for chunk in _chunks(left, right):
                there = [_Found(pairs.place[chunk], pairs.scale[chunk]) for pairs in found]
                used = _used(upstream[chunk], there, (*left.shape[1:3], *right.shape[1:3]))
                if to_left is not None:
                    to_left[chunk] = _gradient(used, left[chunk], right[chunk], left_rate[chunk])
                if to_right is not None:
                    to_right[chunk] = _gradient(used.mT, right[chunk], left[chunk], right_rate[chunk])
        return to_left, to_right, None, None, None


def _chunks(left: torch.Tensor, right: torch.Tensor) -> Iterator[slice]:
    """Slices of the batch of graphs; one empty slice if there are none."""
    graphs, entries = len(left), math.prod(left.shape[1:3]) * math.prod(right.shape[1:3])
    size = max(1, ENTRIES // entries)
    for first in range(0, max(1, graphs), size):
        yield slice(first, first + size)


def _reciprocal_length(maps: torch.Tensor, epsilon: float) -> torch.Tensor:
    """1 / |q| of each vector, 0 where |q| ≤ ε; `[G,n,P]`."""
    length = torch.linalg.vector_norm(maps, dim=3)
    return (length > epsilon) / length.clamp(min=epsilon)


def _search(
    far: torch.Tensor, searched: int, best: int | None, left_rate: torch.Tensor, right_rate: torch.Tensor
) -> _Found:
    """The nearest position of each position, by distances `[g,n,P,m,Q]`."""
    distance, place = far.min(searched, keepdim=True)
    counted, positions = torch.isfinite(distance), sum(_SEARCHED) - searched
    if best is not None and best < distance.shape[positions]:
        chosen = distance.topk(best, positions, largest=False).indices
        counted = counted & torch.zeros_like(counted).scatter_(positions, chosen, True)
    rates = left_rate[:, :, :, None, None].expand_as(far), right_rate[:, None, None].expand_as(far)
    scale = rates[0].gather(searched, place) * rates[1].gather(searched, place)
    return _Found(place, scale * counted / counted.sum(positions, keepdim=True).clamp(min=1))


def _used(upstream: torch.Tensor, found: list[_Found], shape: tuple[int, ...]) -> torch.Tensor:
    """V of a chunk, `[g,n·P,m·Q]`; `shape` is (n, P, m, Q)."""
    used = upstream.new_zeros(len(upstream), *shape)
    for number, (place, scale) in enumerate(found):
        dim = _SEARCHED[number % len(_SEARCHED)]
        # No place occurs twice in one direction: writing old plus new is deterministic, adding in place need not be.
        value = used.gather(dim, place).addcmul_(upstream[:, :, None, :, None], scale)
        used.scatter_(dim, place, value)
    return used.flatten(3, 4).flatten(1, 2)


def _gradient(used: torch.Tensor, own: torch.Tensor, other: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """V b − (a ∘ V b) r_a² a, in the shape of `own`."""
    moved = (used @ other.flatten(1, 2)).view_as(own)
    along = (moved * own).sum(3) * rate.square()
    return moved.addcmul_(along[..., None], own, value=-1)
