"""Problems as they occur in training, from noisy views of embeddings: for benchmarks, and laws that need hard ones."""

from __future__ import annotations

import torch

from gmssl.problem import Problem


def paired_embeddings(
    graphs: int,
    n: int,
    noise: float,
    margin: float = 0.0,
    gumbel: float = 0.0,
    neighbours: int = 5,
    channels: int = 64,
    seed: int = 0,
) -> Problem:
    """Two noisy views of n embeddings, kNN graphs, negated cosines; the right side of every instance relabelled.

    A view is normalise(b + noise · ε), b of unit length and ε ~ N(0, I / channels): per coordinate, `noise` is the
    standard deviation of the noise relative to that of the signal. The cosine of a true pair is about 1 / (1 + noise²),
    that of any other pair 0 ± 1 / √channels; noise 0.5 is easy (0.8), 1 medium (0.5), 3 hard (0.1 against ± 0.125).
    One seed draws the same embeddings, noise and labels under all settings of noise, margin and gumbel.

    Args:
        graphs: G.
        n: vertices of both sides.
        noise: of the views, see above.
        margin: added to the vertex costs of the true pairs, which makes the truth less attractive (ExGra-Med: 1).
        gumbel: temperature of the Gumbel noise subtracted from vertex and edge costs; 0 adds none.
        neighbours: of the kNN graphs, at most n − 1, so that E = F = n·neighbours.
        channels: of the embeddings.
        seed: of everything drawn.

    Returns:
        G problems in float32 whose `target` holds the true pairs.
    """
    generator = torch.Generator().manual_seed(seed)
    base = _unit(_normal((graphs, n, channels), generator))
    views = [_unit(base + noise * _normal((graphs, n, channels), generator) / channels**0.5) for _ in range(2)]
    labels = torch.rand(graphs, n, generator=generator, dtype=torch.float32, device="cpu").argsort(1)
    views[1] = views[1].gather(1, labels[..., None].expand_as(views[1]))
    target = torch.nn.functional.one_hot(labels, n).mT.float()
    (left_edges, left), (right_edges, right) = (_edges(nodes, min(neighbours, n - 1)) for nodes in views)
    vertex = -(views[0] @ views[1].mT) + margin * target - gumbel * _gumbel((graphs, n, n), generator)
    edge = -(left @ right.mT)
    edge = edge - gumbel * _gumbel(edge.shape, generator)
    return Problem.build(vertex, left_edges, right_edges, edge, target=target)


def knn_problem(
    graphs: int, n: int, noise: float = 0.3, neighbours: int = 5, channels: int = 64, seed: int = 0
) -> Problem:
    """Two noisy views of n unit-norm embeddings, kNN edges, perturbed costs; the truth is the identity.

    Args:
        graphs: G.
        n: vertices of both sides; vertex i truly matches vertex i.
        noise: temperature of the Gumbel noise on vertex and edge costs, which are negated cosines.
        neighbours: of the kNN graphs, so that E = F = n·neighbours.
        channels: of the embeddings.
        seed: of everything drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    source = _normal((graphs, n, channels), generator)
    views = [_unit(source + 0.6 * _normal((graphs, n, channels), generator)) for _ in range(2)]
    (left_edges, left), (right_edges, right) = (_edges(nodes, neighbours) for nodes in views)
    vertex, edge = -(views[0] @ views[1].transpose(1, 2)), -(left @ right.transpose(1, 2))
    vertex = vertex - noise * _gumbel(vertex.shape, generator)
    edge = edge - noise * _gumbel(edge.shape, generator)
    target = torch.eye(n, dtype=torch.float32, device="cpu").expand(graphs, n, n)
    return Problem.build(vertex, left_edges, right_edges, edge, target=target)


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(vectors, dim=2)


def _edges(nodes: torch.Tensor, neighbours: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges from each node `[G,n,D]` to its nearest, `[G,E,2]`, and the unit differences of their ends, `[G,E,D]`."""
    _, n, channels = nodes.shape
    distance = torch.cdist(nodes, nodes).masked_fill(torch.eye(n, dtype=torch.bool, device="cpu"), float("inf"))
    heads = distance.topk(neighbours, largest=False).indices
    tails = torch.arange(n, device="cpu")[:, None].expand_as(heads)
    edges = torch.stack([tails, heads], 3).flatten(1, 2)
    difference = nodes.gather(1, edges[..., :1].expand(-1, -1, channels))
    difference = difference - nodes.gather(1, edges[..., 1:].expand(-1, -1, channels))
    return edges, _unit(difference)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")


def _gumbel(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    uniform = torch.rand(shape, generator=generator, dtype=torch.float32, device="cpu").clamp(1e-9, 1 - 1e-7)
    return -torch.log(-torch.log(uniform))
