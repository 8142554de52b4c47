"""The expected Hamming loss under Gumbel noise on the costs, and its exact gradient, by enumeration.

The loss E L(z*(c − ε)), z* the matching of least energy and ε Gumbel noise of temperature t on every vertex and edge
cost, is smooth in c. Take one cost c_k and condition on the noise of all others. Let A be the least energy of the
matchings that use k, without what k itself costs, and B that of the others; neither depends on c_k or ε_k:

    z*_k = 1  ⇔  A + c_k − ε_k < B  ⇔  ε_k > t_k = A + c_k − B,
    E[L | rest] = L_B F(t_k) + L_A (1 − F(t_k)),
    ∂E L/∂c_k = E_rest[ f(t_k) (L_B − L_A) ],

with density f and distribution F of ε_k, and the losses L_A, L_B of the two matchings. The integral over ε_k is solved,
the one over the rest is a mean over draws, the same draws for all k (common random numbers): unbiased, and of much less
variance than a score function, since each draw weighs *both* matchings. A draw has an ε_k, too; it cancels in A.

Symbols: G instances, K matchings, N draws, d = nm + EF costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import torch

from gmssl.energy import lift, vertex_matching
from gmssl.problem import Problem
from gmssl.topology import Topology

CHUNK = 1 << 24
"""Numbers in memory at once."""


@dataclass(frozen=True, eq=False)
class ExpectedLoss:
    """Attributes:
    loss: `[G]`.
    gradient: `[G,d]` with respect to vertex costs, row by row, then edge costs.
    error: `[G]`, standard error of the gradient: root of the summed variances of its entries.
    """

    loss: torch.Tensor
    gradient: torch.Tensor
    error: torch.Tensor


def expected_loss(problem: Problem, temperature: float, draws: int, generator: torch.Generator) -> ExpectedLoss:
    """Of each instance.

    Args:
        problem: G instances with `target`, not partial, all pairs allowed; (larger side)! matchings are enumerated.
        temperature: of the Gumbel noise.
        draws: N.
        generator: of the noise.
    """
    assert problem.target is not None, "a loss needs a target"
    n, m = problem.costs.vertex.shape[1:]
    vertex = matchings(n, m)
    losses, gradients, errors = [], [], []
    for graph in range(len(problem.costs.vertex)):
        one = problem.select(torch.tensor([graph]))
        used = _used(vertex, one.topology)
        costs = torch.cat([one.costs.vertex.flatten(1), one.costs.edge.flatten(1)], 1)[0].double()
        assert one.target is not None
        loss = (vertex * (1 - one.target) + one.target * (1 - vertex)).sum((1, 2))
        mean, gradient, error = _instance(costs, used, loss, temperature, draws, generator)
        losses.append(mean)
        gradients.append(gradient)
        errors.append(error)
    return ExpectedLoss(torch.stack(losses), torch.stack(gradients), torch.stack(errors))


def matchings(n: int, m: int) -> torch.Tensor:
    """All one-to-one matchings of the shorter side, `[K,n,m]` float64."""
    short, long = min(n, m), max(n, m)
    found = vertex_matching(torch.tensor(list(permutations(range(long), short))), long, torch.float64)
    return found if n <= m else found.mT


def _used(vertex: torch.Tensor, topology: Topology) -> torch.Tensor:
    """Which costs each matching uses, `[K,d]` of 0 and 1."""
    count = len(vertex)
    same = Topology(topology.left.expand(count, -1, -1), topology.right.expand(count, -1, -1), topology.allowed)
    lifted = lift(vertex, same)
    return torch.cat([lifted.vertex.flatten(1), lifted.edge.flatten(1)], 1)


def _instance(
    costs: torch.Tensor,
    used: torch.Tensor,
    loss: torch.Tensor,
    temperature: float,
    draws: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean loss, gradient `[d]`, standard error; of costs `[d]`, matchings `used [K,d]` and their losses `[K]`."""
    group = max(1, CHUNK // used.numel())
    total, first, second = costs.new_zeros(()), torch.zeros_like(costs), torch.zeros_like(costs)
    for start in range(0, draws, group):
        size = min(group, draws - start)
        noise = costs.new_empty(size, len(costs)).exponential_(generator=generator).log_().mul_(-temperature)
        energies = (costs - noise) @ used.T
        total += loss[energies.argmin(1)].sum()
        slope = _slopes(energies, noise, used.bool(), loss, temperature)
        first += slope.sum(0)
        second += slope.square().sum(0)
    mean = first / draws
    variance = (second / draws - mean.square()).clamp(min=0) / draws
    return total / draws, mean, variance.sum().sqrt()


def _slopes(
    energies: torch.Tensor, noise: torch.Tensor, used: torch.Tensor, loss: torch.Tensor, temperature: float
) -> torch.Tensor:
    """f(t_k) (L_B − L_A), `[N,d]`, from energies `[N,K]`."""
    every = energies[:, None, :]
    with_k, which_a = every.masked_fill(~used.T, torch.inf).min(2)
    without_k, which_b = every.masked_fill(used.T, torch.inf).min(2)
    threshold = with_k + noise - without_k
    scaled = threshold / temperature
    density = torch.exp(-scaled - torch.exp(-scaled)) / temperature
    # A cost that every matching uses, or none, decides nothing.
    density = torch.where(threshold.isfinite(), density, 0.0)
    return density * (loss[which_b] - loss[which_a])
