"""Images against learnt prototypes: SwAV, DINO."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from gmssl.interfaces.vertices import Arrangement, Encoding, Truth, Vertices
from gmssl.lazy import torch
from gmssl.parts.vertices.arranging import Pairs, views_of


class Prototypes(Vertices):
    """One graph for each pair of views: the B images of the left view against `number` prototypes, the right nodes.

    Prototypes are weights `[number, D]`, shared by all views; with the affinity `cosine` only their directions count
    (SwAV, Caron et al. 2020; the weight-normalised last layer of DINO, Caron et al. 2021). The right view of a pair has
    no node here: it tells the target.
    """

    kind: ClassVar[str] = "prototypes"
    truth: ClassVar[Truth] = "learnt"

    number: int = Field(3000, ge=2)

    def fault(self, batch: int) -> str | None:
        """Batches of any size are accepted."""
        return None

    def build(self, channels: int) -> torch.nn.Module:
        """See the class."""
        return _module(self.number, channels)


def _module(number: int, channels: int) -> torch.nn.Module:
    class Prototyping(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.prototypes = torch.nn.Parameter(torch.nn.functional.normalize(torch.randn(number, channels), dim=1))

        def forward(self, student: Encoding, teacher: Encoding, pairs: Pairs) -> Arrangement:
            left = views_of(student, pairs, 0)
            right = self.prototypes.to(left.dtype).expand(len(pairs), -1, -1)
            allowed = torch.ones((), dtype=torch.bool, device=left.device).expand(*left.shape[:2], number)
            return Arrangement(left, right, allowed)

    return Prototyping()
