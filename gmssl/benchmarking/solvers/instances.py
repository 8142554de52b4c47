"""The instances of the benchmark: `paired_embeddings` in every noise setting."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch

from gmssl.problem import Problem
from gmssl.testing.generators import paired_embeddings


@dataclass(frozen=True)
class NoiseSetting:
    """Arguments of `gmssl.testing.generators.paired_embeddings`, where they are explained."""

    noise: float
    margin: float
    gumbel: float


SETTINGS = tuple(NoiseSetting(*values) for values in product((0.5, 1.0, 3.0), (0.0, 1.0), (0.0, 0.1, 0.5, 1.0)))
"""All 24."""


def instances(n: int, graphs: int, seed: int) -> Problem:
    """One batch of 24·graphs instances of n vertices a side, setting by setting in the order of `SETTINGS`."""
    batches = [paired_embeddings(graphs, n, s.noise, s.margin, s.gumbel, seed=1000 * seed + n) for s in SETTINGS]
    costs, topologies = [b.costs for b in batches], [b.topology for b in batches]
    return Problem.build(
        torch.cat([c.vertex for c in costs]),
        torch.cat([t.left for t in topologies]),
        torch.cat([t.right for t in topologies]),
        torch.cat([c.edge for c in costs]),
    )


def by_setting(values: torch.Tensor) -> list[float]:
    """Means of `values [24·graphs]` in the order of `SETTINGS`."""
    means: list[float] = values.view(len(SETTINGS), -1).mean(1).tolist()
    return means
