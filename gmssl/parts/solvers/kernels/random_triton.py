"""The random numbers of `random_numba` for Triton kernels; a state is a uint64 scalar."""

# mypy: disable-error-code="no-untyped-def"
# Triton infers the types of kernels from their arguments; annotations would not be checked by anything.
from __future__ import annotations

import triton
import triton.language as tl

_GOLDEN = tl.constexpr(0x9E3779B97F4A7C15)
_MIX1 = tl.constexpr(0xBF58476D1CE4E5B9)
_MIX2 = tl.constexpr(0x94D049BB133111EB)
_STAR = tl.constexpr(0x2545F4914F6CDD1D)


@triton.jit
def below(state, count):
    """The next state, and a uniform integer in 0..count-1, int32, by xorshift64* (Marsaglia 2003, Vigna 2016)."""
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    high = (state * _STAR) >> 33
    return state, ((high * count) >> 31).to(tl.int32)


@triton.jit
def shuffle(state, count, WIDTH: tl.constexpr):
    """The next state, and 0..count-1 permuted uniformly (Fisher and Yates), in a vector of WIDTH ≥ count."""
    place = tl.arange(0, WIDTH)
    values = place
    for k in range(count - 1):
        last = count - 1 - k
        state, other = below(state, last + 1)
        # Registers have no index: masked sums read a number, and a selection writes it.
        here = tl.sum(tl.where(place == last, values, 0), 0)
        there = tl.sum(tl.where(place == other, values, 0), 0)
        values = tl.where(place == last, there, tl.where(place == other, here, values))
    return state, values


@triton.jit
def scatter_seed(seed, vertex, count):
    """A state that follows from a `seed` and from the bits of `count` costs, float32, that `vertex` points at."""
    h = seed.to(tl.uint64) + _GOLDEN
    for x in range(count):
        bits = tl.load(vertex + x).to(tl.uint32, bitcast=True).to(tl.uint64)
        h = (h ^ bits) * _MIX1
        h ^= h >> 29
    h = (h ^ (h >> 27)) * _MIX2
    # Not 0, which xorshift never leaves.
    return (h ^ (h >> 31)) | 1


@triton.jit
def stream(seed, number):
    """The first state of stream `number` of a `seed`, a state itself."""
    h = seed + (number.to(tl.uint64) + 1) * _GOLDEN
    h = (h ^ (h >> 30)) * _MIX1
    h = (h ^ (h >> 27)) * _MIX2
    return (h ^ (h >> 31)) | 1
