"""The random numbers of `random_numba` in torch: one stream for each element of a tensor of states, on any device.

A state is a uint64, kept in an int64 of the same bits: products and sums wrap around alike, shifts to the right are
made logical.
"""

from __future__ import annotations

import torch

from gmssl.parts.solvers.relabelling import _GOLDEN, _MIX1, _MIX2, _mix


def _shifted(x: torch.Tensor, bits: int) -> torch.Tensor:
    # int64 shifts its sign in from the left; the mask makes it zeros.
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def below(states: torch.Tensor, count: int | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The next states, and uniform integers in 0..count−1, by xorshift64* (Marsaglia 2003, Vigna 2016)."""
    states = states ^ _shifted(states, 12)
    states = states ^ (states << 25)
    states = states ^ _shifted(states, 27)
    high = _shifted(states * 0x2545F4914F6CDD1D, 33)
    return states, (high * count) >> 31


def shuffle(states: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The next states `[B]`, and uniform permutations `[B,count]` (Fisher and Yates)."""
    values = torch.arange(count, device=states.device).repeat(len(states), 1)
    for k in range(count - 1, 0, -1):
        states, other = below(states, k + 1)
        # A slice is a view: without the clone it would change before it is written to its new place.
        there, here = values.gather(1, other[:, None]), values[:, k : k + 1].clone()
        values[:, k : k + 1] = there
        values.scatter_(1, other[:, None], here)
    return states, values


def scatter_seed(seed: int, vertex: torch.Tensor) -> torch.Tensor:
    """States `[G]` that follow from a seed and from costs `[G,n,m]` float32."""
    bits = vertex.contiguous().view(torch.int32).long().flatten(1) & 0xFFFFFFFF
    h = torch.full((len(bits),), seed + _GOLDEN, device=vertex.device)
    for k in range(bits.shape[1]):
        h = (h ^ bits[:, k]) * _MIX1
        h = h ^ _shifted(h, 29)
    h = (h ^ _shifted(h, 27)) * _MIX2
    # Not 0, which xorshift never leaves.
    return (h ^ _shifted(h, 31)) | 1


def streams(seeds: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The first states of streams `numbers [S]` of each of the `seeds [G]`, `[G,S]`."""
    return _mix(seeds[:, None] + (numbers + 1) * _GOLDEN) | 1
