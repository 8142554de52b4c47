"""Both sides of a matching, as affinities see them."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import torch

from gmssl.interfaces.affinity import Side


@st.composite
def paired_sides(
    draw: st.DrawFn, degenerate: bool = False, dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
) -> tuple[Side, Side]:
    """Left and right side, with maps and positions; n, m, E, F and the numbers P, Q of map positions differ.

    Args:
        draw: given by hypothesis.
        degenerate: also zero vectors, equal nodes, self-loops and maps of zeros.
        dtypes: of nodes, maps and positions.
    """
    graphs, channels, depth = (draw(st.integers(1, largest)) for largest in (3, 5, 4))
    dtype = draw(st.sampled_from(dtypes))
    padded = draw(st.booleans())
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def side() -> Side:
        n, edges, cells = draw(st.integers(1, 4)), draw(st.integers(0, 6)), draw(st.integers(1, 4))
        valid = torch.rand(graphs, cells, generator=generator, dtype=torch.float32, device="cpu") < 0.6
        valid[:, 0] = True
        drawn = Side(
            nodes=torch.randn(graphs, n, channels, generator=generator, dtype=dtype, device="cpu"),
            edges=torch.randint(n, (graphs, edges, 2), generator=generator, device="cpu"),
            maps=torch.randn(graphs, n, cells, depth, generator=generator, dtype=dtype, device="cpu"),
            positions=torch.rand(graphs, n, cells, 2, generator=generator, dtype=dtype, device="cpu") * 200,
            valid=valid if padded else None,
        )
        return _degenerate(drawn, draw(st.sets(st.sampled_from(range(4)), min_size=1))) if degenerate else drawn

    return side(), side()


def _degenerate(side: Side, faults: set[int]) -> Side:
    """Faults: 0 zero vectors, 1 equal nodes, 2 self-loops, 3 maps of zeros."""
    nodes, edges, maps = side.nodes.clone(), side.edges.clone(), side.maps
    if 0 in faults:
        nodes[:, 0] = 0
    if 1 in faults:
        nodes[:] = nodes[:, -1:]
    if 2 in faults:
        edges[..., 1] = edges[..., 0]
    if 3 in faults:
        maps = torch.zeros_like(maps) if maps is not None else None
    return replace(side, nodes=nodes, edges=edges, maps=maps)


def select(side: Side, instances: torch.Tensor) -> Side:
    """The instances named by an index."""
    chosen = lambda x: None if x is None else x[instances]  # noqa: E731
    return Side(side.nodes[instances], side.edges[instances], *map(chosen, (side.maps, side.positions, side.valid)))


def renamed(side: Side, order: torch.Tensor) -> Side:
    """The same side with its nodes renamed: new node i is old node `order[i]`."""
    moved = lambda x: None if x is None else x[:, order]  # noqa: E731
    return Side(side.nodes[:, order], order.argsort()[side.edges], moved(side.maps), moved(side.positions), side.valid)
