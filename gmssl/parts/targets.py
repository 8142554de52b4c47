"""Targets: which matching is right. Given by the arrangement, by clusters, or learnt from the other view."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Arrangement, Truth
from gmssl.lazy import torch
from gmssl.system.gathering import gathered, rank, ranks, summed

if TYPE_CHECKING:
    from gmssl.interfaces.vertices import Arrangement


def as_module(function: Callable[[torch.Tensor, Arrangement], torch.Tensor]) -> torch.nn.Module:
    """A module without weights around a function."""

    class Function(torch.nn.Module):
        def forward(self, costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
            return function(costs, arrangement)

    return Function()


class Identity(Target):
    """The first min(n, m) nodes of either side belong together: LVM-Med, Barlow Twins, VICReg, VICRegL, MoCo, BYOL.

    Those that may not be matched (the padding of `patches`) belong to nobody.
    """

    kind: ClassVar[str] = "identity"

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(_identity)


def _identity(costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    target = torch.eye(*costs.shape[1:], dtype=costs.dtype, device=costs.device).expand(costs.shape)
    whole = bool(arrangement.allowed.diagonal(dim1=1, dim2=2).all())
    return target if whole else target * arrangement.allowed


class Swap(Target):
    """Row i of n belongs to column (i + n/2) mod n, of this rank's: with `both_views` the other view of the image."""

    kind: ClassVar[str] = "swap"
    truth: ClassVar[Truth] = "halves"

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(_swap)


def _swap(costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    _, n, m = costs.shape
    first = n * rank() if m > n else 0  # graphs of this rank alone have no columns of others
    rows = torch.arange(n, device=costs.device)
    target = torch.zeros(costs.shape[1:], dtype=costs.dtype, device=costs.device)
    target[rows, (rows + n // 2) % n + first] = 1
    return target.expand(costs.shape)


class KMeans(Target):
    """The assignment step of spherical k-means: the allowed centroid nearest to what is remembered of the image.

    Vertices `centroids` remember embeddings of the former epoch and make the centroids (DeepCluster-v2, Caron et al.
    2020). Rows are one-hot; costs are not read, so that affinities need not be cosines.
    """

    kind: ClassVar[str] = "kmeans"
    truth: ClassVar[Truth] = "remembered"

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(_nearest)


def _nearest(costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    assert arrangement.remembered is not None, "vertices whose truth is remembered remember"
    units = torch.nn.functional.normalize(arrangement.right, dim=2)
    cosines = (arrangement.remembered @ units.mT).masked_fill(~arrangement.allowed, float("-inf"))
    return torch.zeros_like(costs).scatter_(2, cosines.argmax(2, keepdim=True), 1)


class Sinkhorn(Target):
    """The code of the other view: its scores, balanced so that all prototypes get the same share of the batch.

    Q ∝ exp(−c / ε) after `iterations` of Sinkhorn and Knopp, over the images of all ranks (SwAV, Caron et al. 2020,
    Eq. 3 to 5). The last step normalises rows, so that each is a distribution.
    """

    kind: ClassVar[str] = "sinkhorn"
    truth: ClassVar[Truth] = "learnt"
    reads_reference: ClassVar[bool] = True

    epsilon: float = Field(0.05, gt=0, description="weight of the entropy; the smaller, the harder the assignments")
    iterations: int = Field(3, ge=1)

    def build(self) -> torch.nn.Module:
        """See `Target.build`."""
        return as_module(partial(_balanced, self.epsilon, self.iterations))


def _balanced(epsilon: float, iterations: int, costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
    logits = gathered(-costs / epsilon, 1)
    for _ in range(iterations):
        logits = logits - logits.logsumexp(1, keepdim=True)
        logits = logits - logits.logsumexp(2, keepdim=True)
    n = costs.shape[1]
    return logits[:, rank() * n : (rank() + 1) * n].exp()


class TeacherTarget(Target):
    """softmax((s − centre) / τ) of the scores s = −c that the teacher gives to the other view.

    The centre is a running mean of s over the batch and all ranks, taken after use, in training only (DINO, Caron et
    al. 2021, Algorithm 1 and Eq. 4). It keeps one prototype from winning always, the temperature all from being equal.
    """

    kind: ClassVar[str] = "teacher"
    truth: ClassVar[Truth] = "learnt"
    reads_reference: ClassVar[bool] = True

    temperature: float = Field(0.04, gt=0, description="τ: below that of the solver")
    momentum: float = Field(0.9, ge=0, le=1, description="of the centre")

    def build(self) -> torch.nn.Module:
        """See `Target.build`; the centre is a buffer and so part of checkpoints."""
        return _module(self.temperature, self.momentum)


def _module(temperature: float, momentum: float) -> torch.nn.Module:
    class Centred(torch.nn.Module):
        centre: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("centre", torch.zeros(()))

        def forward(self, costs: torch.Tensor, arrangement: Arrangement) -> torch.Tensor:
            target = ((-costs - self.centre) / temperature).softmax(2)
            if self.training:
                mean = summed(-costs.mean((0, 1))) / ranks()
                self.centre = self.centre * momentum + mean * (1 - momentum)
            return target

        def _load_from_state_dict(self, state: dict[str, torch.Tensor], prefix: str, *args: object) -> None:
            """The centre takes the number of prototypes when it first sees costs."""
            saved = state.get(f"{prefix}centre")
            if saved is not None:
                self.centre = torch.zeros_like(saved, device=self.centre.device)
            super()._load_from_state_dict(state, prefix, *args)  # type: ignore[arg-type]

    return Centred()
