"""Where the numbers of a compiled tabu search lie in the one array that holds them all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gmssl.parts.solvers.kernels.simd_numba import LANES, swap_blocks
from gmssl.problem.memory import refuse_without_room


class Layout(NamedTuple):
    """Sizes, and offsets into an int32 array; rows of `stride` numbers, the n vertices padded to whole vectors.

    n ≥ m: locations from m on are dummies. An *entry* numbers an ordered pair of adjacent vertices.
    """

    n: int
    m: int
    stride: int
    blocks: int  # stride / LANES
    ring: int  # a power of two above the longest tenure
    first: int  # [n+1] and
    head: int  # [entries] the neighbours of vertex i: head[first[i]:first[i+1]], one entry each
    entry: int  # [n,n], −1 where not adjacent
    pairs: int  # [entries,n,stride], D
    single: int  # [n,stride], c
    banned: int  # [n,n], 0 or 1
    where: int  # [n]
    at: int  # [n]
    rows: int  # [stride,stride]
    own: int  # [stride]
    idle: int  # [stride], bits of a location: DUMMY if it is one, BLANK if the vertex there is
    blank: int  # [n+2], BLANK where a vertex has neither edges nor costs, else 0; last, how many are, and the first
    until: int  # [n,n], first iteration at which vertex k may go to location s again; 0 where it may
    due: int  # [ring], the first event of each iteration modulo ring, or −1. Event q says that
    who: int  # [2·ring] this vertex, or all blank ones if it is the first of them,
    whither: int  # [2·ring] may go to this location again, or to all dummies if it is the first of them,
    link: int  # [2·ring] and which event follows, or −1
    swaps: int  # of `swap_blocks`
    best: int  # [n]
    elites: int  # [starts,n]
    end: int


DUMMY, BLANK = 1, 2

PADDING = -(2**26)  # what padding pays now: a swap with it gains nothing, and no sum with it overflows


def lay_out(n: int, m: int, edges: int, starts: int) -> tuple[np.ndarray, Layout]:
    """Memory for one search after the other, and its layout.

    Args:
        n, m: vertices, n ≥ m.
        edges: of the left graph; a pair of vertices takes part in at most two entries.
        starts: searches per instance.

    Raises:
        ProblemError: the machine has no room for them.
    """
    # The ring: an event is due at most 1 + 3n/2 iterations ahead. In a longer ring no slot holds events of two
    # iterations, and a power of two makes the modulo a mask. Each iteration makes two events, hence 2 · ring of them.
    blocks = -(-n // LANES)
    stride, entries, ring = blocks * LANES, max(1, min(2 * edges, n * (n - 1))), 1 << (3 * n // 2 + 2).bit_length()
    swaps = swap_blocks(blocks)
    sizes = {
        "first": n + 1, "head": entries, "entry": n * n, "pairs": entries * n * stride, "single": n * stride,
        "banned": n * n, "where": n, "at": n, "rows": stride * stride, "own": stride, "idle": stride, "blank": n + 2,
        "until": n * n, "due": ring, "who": 2 * ring, "whither": 2 * ring, "link": 2 * ring, "swaps": len(swaps),
        "best": n, "elites": starts * n,
    }  # fmt: skip
    offsets, end = {}, 0
    for name, size in sizes.items():
        offsets[name] = end
        end += -(-size // LANES) * LANES  # whole vectors: what is aligned once stays so
    refuse_without_room(
        4 * end,
        f"the tables of robust_tabu for {n} vertices, of which {entries} ordered pairs are adjacent,",
        "use a smaller problem, or a graph with fewer edges",
    )
    layout = Layout(n, m, stride, blocks, ring, **offsets, end=end)
    memory = np.empty(end, np.int32)
    memory[: layout.pairs] = 0  # not the largest part: `fold` clears what it uses of it
    memory[layout.single :] = 0
    memory[layout.own : layout.own + stride] = PADDING
    memory[layout.idle + m : layout.idle + n] = DUMMY
    memory[layout.swaps : layout.swaps + len(swaps)] = swaps
    return memory, layout
