"""A random number generator of one word, for kernels: its stream belongs to an instance, not to a thread or a batch."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types of kernels from their first call; annotations would not be checked by anything.
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def below(state, count):
    """A uniform integer in 0..count-1, count < 2³¹, by xorshift64* (Marsaglia 2003, Vigna 2016)."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    # The upper bits are the good ones of xorshift64*. Multiplying and shifting needs no division, as modulo does; the
    # bias is below count / 2³¹.
    high = (x * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(33)
    return np.int64((high * np.uint64(count)) >> np.uint64(31))


@njit(cache=True, nogil=True)
def shuffle(state, values, count):
    """Permute the first `count` values uniformly (Fisher and Yates)."""
    for k in range(count - 1, 0, -1):
        o = below(state, k + 1)
        values[k], values[o] = values[o], values[k]


@njit(cache=True, nogil=True)
def draw_names(state, rename, edges, renamed):
    """Draw new names for vertices, so that ties fall at random, and rename the ends of `edges [E,2]` to `renamed`."""
    for k in range(rename.shape[0]):
        rename[k] = k
    shuffle(state, rename, rename.shape[0])
    for e in range(edges.shape[0]):
        renamed[e, 0] = rename[edges[e, 0]]
        renamed[e, 1] = rename[edges[e, 1]]


@njit(cache=True, nogil=True)
def scatter_seed(state, seed, vertex):
    """Seed from the settings and the costs: the same in every batch, different between instances.

    Args:
        state: output, one uint64.
        seed: integer.
        vertex: costs `[n,m]` float32; their bits are mixed as in splitmix64.
    """
    h = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15)
    bits = vertex.view(np.uint32)
    for i in range(bits.shape[0]):
        for s in range(bits.shape[1]):
            h = (h ^ np.uint64(bits[i, s])) * np.uint64(0xBF58476D1CE4E5B9)
            h ^= h >> np.uint64(29)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    # Not 0, which xorshift never leaves.
    state[0] = (h ^ (h >> np.uint64(31))) | np.uint64(1)


@njit(cache=True, nogil=True)
def stream(state, seed, number):
    """Begin stream `number` of a `seed` (uint64, of `scatter_seed`): independent of how much other streams draw."""
    h = seed + (np.uint64(number) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state[0] = (h ^ (h >> np.uint64(31))) | np.uint64(1)
