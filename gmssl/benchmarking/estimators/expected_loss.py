"""The expected Hamming loss under noise on the costs, and its exact gradient, by enumeration.

The loss E L(z*(c − ε)), z* the matching of least energy and ε independent noise of temperature t on every vertex and
edge cost, is smooth in c. Take one cost c_k and condition on the noise of all others. Let A be the least energy of the
matchings that use k, without what k itself costs, and B that of the others; neither depends on c_k or ε_k:

    z*_k = 1  ⇔  A + c_k − ε_k < B  ⇔  ε_k > t_k = A + c_k − B,
    E[L | rest] = L_B F(t_k) + L_A (1 − F(t_k)),
    ∂E L/∂c_k = E_rest[ f(t_k) (L_B − L_A) ],

with density f and distribution F of ε_k, and the losses L_A, L_B of the two matchings. The integral over ε_k is solved,
the one over the rest is a mean over draws, the same draws for all k (common random numbers): unbiased, and of much less
variance than a score function, since each draw weighs *both* matchings. A draw has an ε_k, too; it cancels in A.

For a choice of one of m (n = 1) under Gumbel noise the gradient is that of a softmax at temperature t, and is tested as
that. Densities are torch's (`DENSITIES`), not those of `gmssl.noises`: estimators that use the latter are judged here.

Symbols: G instances, K matchings, N draws, d = nm + EF costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import torch
from torch.distributions import Distribution, Gumbel, Normal

from gmssl.errors import ProblemError
from gmssl.interfaces.estimator import Noise
from gmssl.interfaces.part import nearest
from gmssl.interfaces.registry import kinds, part
from gmssl.problem import Pairs, Problem, Topology, lift, vertex_matching

CHUNK = 1 << 22
"""Numbers in memory at once."""

DENSITIES: dict[str, Callable[[float], Distribution]] = {
    "gumbel": lambda temperature: Gumbel(*_at(temperature), validate_args=False),
    "gaussian": lambda temperature: Normal(*_at(temperature), validate_args=False),
}
"""Kinds of noise whose density is known in closed form, with that density at a temperature."""


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


@dataclass(frozen=True)
class Smoothing:
    """The noise of the expected loss.

    Attributes:
        kind: one of `DENSITIES`.
        temperature: t; the standard deviation of a Gaussian, and of a Gumbel variable 1.28 t.
    """

    kind: str
    temperature: float

    def __post_init__(self) -> None:
        if self.kind not in kinds("noise"):
            raise ProblemError(
                f"unknown noise kind {self.kind!r}{nearest(self.kind, DENSITIES)}; use {' or '.join(DENSITIES)}."
            )
        if self.kind not in DENSITIES:
            raise ProblemError(
                f"noise {self.kind!r} has no density in closed form, so the gradient of the loss under it is not "
                f"exact; use {' or '.join(DENSITIES)}."
            )

    @property
    def noise(self) -> Noise:
        """The part that draws it."""
        made: Noise = part("noise", self.kind, temperature=self.temperature)
        return made

    def density(self, values: torch.Tensor) -> torch.Tensor:
        """f; 0 at ±∞, where a cost that every matching uses, or none, has its threshold."""
        density = DENSITIES[self.kind](self.temperature).log_prob(values).exp()
        return torch.where(values.isfinite(), density, 0.0)


def expected_loss(problem: Problem, smoothing: Smoothing, draws: int, generator: torch.Generator) -> ExpectedLoss:
    """Of each instance.

    Args:
        problem: G instances with `target`, not partial, all pairs allowed; (larger side)! matchings are enumerated.
        smoothing: the noise.
        draws: N.
        generator: of the noise.
    """
    losses, gradients, errors = [], [], []
    for graph in range(len(problem.costs.vertex)):
        one = problem.select(torch.tensor([graph], device="cpu"))
        mean, gradient, error = _instance(
            all_costs(one)[0], used_costs(one), losses_of(one), smoothing, draws, generator
        )
        losses.append(mean)
        gradients.append(gradient)
        errors.append(error)
    return ExpectedLoss(torch.stack(losses), torch.stack(gradients), torch.stack(errors))


def all_costs(problem: Problem) -> torch.Tensor:
    """Vertex costs, row by row, then edge costs, `[G,d]` float64."""
    return torch.cat([problem.costs.vertex.flatten(1), problem.costs.edge.flatten(1)], 1).double()


def losses_of(problem: Problem) -> torch.Tensor:
    """Hamming losses of all matchings of a single instance, `[K]` float64."""
    vertex = matchings(*problem.costs.vertex.shape[1:])
    losses: torch.Tensor = part("loss", "hamming")(Pairs(vertex, vertex[:, :0, :0]), problem)
    return losses


def used_costs(problem: Problem) -> torch.Tensor:
    """Which costs each matching of a single instance uses, `[K,d]` of 0 and 1, float64."""
    vertex = matchings(*problem.costs.vertex.shape[1:])
    count, topology = len(vertex), problem.topology
    same = Topology(topology.left.expand(count, -1, -1), topology.right.expand(count, -1, -1), topology.allowed)
    lifted = lift(vertex, same)
    return torch.cat([lifted.vertex.flatten(1), lifted.edge.flatten(1)], 1)


def matchings(n: int, m: int) -> torch.Tensor:
    """All one-to-one matchings of the shorter side, `[K,n,m]` float64."""
    short, long = min(n, m), max(n, m)
    found = vertex_matching(torch.tensor(list(permutations(range(long), short)), device="cpu"), long, torch.float64)
    return found if n <= m else found.mT


def _at(temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Location and scale."""
    location, scale = torch.tensor([0, temperature], dtype=torch.float64, device="cpu")
    return location, scale


def _instance(
    costs: torch.Tensor,
    used: torch.Tensor,
    loss: torch.Tensor,
    smoothing: Smoothing,
    draws: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean loss, gradient `[d]`, standard error; of costs `[d]`, matchings `used [K,d]` and their losses `[K]`."""
    rivals = _Rivals(used.bool())
    group = max(1, CHUNK // rivals.size)
    total, first, second = costs.new_zeros(()), torch.zeros_like(costs), torch.zeros_like(costs)
    for start in range(0, draws, group):
        size = min(group, draws - start)
        noise = smoothing.noise.sample(costs.new_empty(size, len(costs)), generator)
        energies = (costs - noise) @ used.T
        total += loss[energies.argmin(1)].sum()
        with_k, which_a = rivals.using(energies)
        without_k, which_b = rivals.avoiding(energies)
        slope = smoothing.density(with_k + noise - without_k) * (loss[which_b] - loss[which_a])
        first += slope.sum(0)
        second += slope.square().sum(0)
    mean = first / draws
    variance = (second / draws - mean.square()).clamp(min=0) / draws
    return total / draws, mean, variance.sum().sqrt()


class _Rivals:
    """Least energy of the matchings that use a cost, and of those that do not, for every cost of every draw."""

    def __init__(self, used: torch.Tensor) -> None:
        """`used` is bool `[K,d]`."""
        self.used = used
        self.users = _padded([column.nonzero().flatten() for column in used.T], len(used))  # [d,·], K is no matching
        self.costs = _padded([row.nonzero().flatten() for row in used], used.shape[1])  # [K,·], d is no cost
        padded = torch.cat([used, used.new_zeros(len(used), 1)], 1)
        # Of each matching b, and each cost that b uses: who else uses it.
        self.others = padded.T[self.costs]
        self.size = self.users.numel() + self.costs.shape[1] * len(used)
        """Numbers that one draw needs."""

    def using(self, energies: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies `[N,d]`, +inf where there is none, and which matching; of energies `[N,K]`."""
        none = energies.new_full((len(energies), 1), torch.inf)
        least, place = torch.cat([energies, none], 1)[:, self.users].min(2)
        which = self.users.expand(len(energies), -1, -1).gather(2, place[..., None])[..., 0]
        return least, which.clamp(max=energies.shape[1] - 1)

    def avoiding(self, energies: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `using`, of the matchings without the cost: the best of all, unless it uses the cost itself."""
        count = self.used.shape[1]
        best, winner = energies.min(1)
        least, which = (x[:, None].expand(-1, count + 1).clone() for x in (best, winner))
        second = energies[:, None].masked_fill(self.others[winner], torch.inf).min(2)
        place = self.costs[winner]
        return least.scatter_(1, place, second[0])[:, :count], which.scatter_(1, place, second[1])[:, :count]


def _padded(lists: list[torch.Tensor], filler: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(lists, batch_first=True, padding_value=filler)
