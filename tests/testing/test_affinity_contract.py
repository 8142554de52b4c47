"""The contract must refuse affinities that break a law: one broken affinity for each law."""

from __future__ import annotations

from typing import ClassVar, Literal

import pytest
import torch

import gmssl
from gmssl.interfaces.affinity import Affinity, Side
from gmssl.testing.affinity_contract import AffinityContract
from gmssl.testing.laws import laws_of, verdict


def inner(left: Side, right: Side) -> torch.Tensor:
    return left.nodes @ right.nodes.mT


class Broken(Affinity):
    """Inner products, but for what subclasses get wrong."""

    kind: ClassVar[str] = "broken"
    scores: ClassVar[Literal["vertex", "edge"]] = "vertex"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return inner(left, right)


class Transposed(Broken):
    """Right by left."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return inner(right, left)


class Dividing(Broken):
    """The cosine as it is written in books."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        norms = [side.nodes.norm(dim=2) for side in (left, right)]
        return inner(left, right) / (norms[0][:, :, None] * norms[1][:, None, :])


class Looking(Broken):
    """Needs a first graph."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return inner(left, right) + 0 * left.nodes[0].sum()


class Diagonal(Broken):
    """Likes pairs of equal names."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return inner(left, right) + torch.eye(left.nodes.shape[1], right.nodes.shape[1])


class OrderedEdges(Broken):
    """Likes pairs of edges that stand at equal places."""

    scores: ClassVar[Literal["vertex", "edge"]] = "edge"

    def score(self, left: Side, right: Side) -> torch.Tensor:
        score = gmssl.part("affinity", "softplus_of_differences").score(left, right)
        return score + torch.eye(*score.shape[1:])


class Whitening(Broken):
    """Centres over the batch."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return inner(left, right) - inner(left, right).mean(0)[:1, :1]


class InPlace(Broken):
    """Normalises its input where it lies."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        left.nodes.data.mul_(0.5)
        return inner(left, right)


class Hidden(Broken):
    """Looks at the maps without saying so."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        assert left.maps is not None
        return inner(left, right) + left.maps.mean((1, 2, 3))[:, None, None]


class Blind(Broken):
    """Says that it reads nodes, and does not."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return torch.zeros_like(inner(left, right))


class Unmasked(Broken):
    """Averages over the padding, too."""

    reads_maps: ClassVar[bool] = True
    reads_nodes: ClassVar[bool] = False

    def score(self, left: Side, right: Side) -> torch.Tensor:
        assert left.maps is not None
        assert right.maps is not None
        return left.maps.mean(2) @ right.maps.mean(2).mT


class Weighted(Broken):
    """Multiplies by its weight, as the objective will."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return self.weight * inner(left, right)


class Buffered(Broken):
    """Writes what autocast made of its product into a float32 buffer."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        product = inner(left, right)
        places = torch.arange(product.shape[2]).expand(product.shape)
        return torch.zeros(product.shape, dtype=left.nodes.dtype).scatter(2, places, product)


class Detached(Broken):
    """Forgets one factor of a square on the way back."""

    def score(self, left: Side, right: Side) -> torch.Tensor:
        return inner(left, right) * inner(left, right).detach()


BROKEN = [
    ("test_scores_have_form", Transposed),
    ("test_degenerate_gradients_are_finite", Dividing),
    ("test_no_graph_and_no_edge", Looking),
    ("test_renaming_vertices_renames_the_scores", Diagonal),
    ("test_reordering_edges_reorders_the_scores", OrderedEdges),
    ("test_independent_of_batch", Whitening),
    ("test_deterministic_and_pure", InPlace),
    ("test_facts_are_true", Hidden),
    ("test_facts_are_true", Blind),
    ("test_padding_is_ignored", Unmasked),
    ("test_weight_is_not_in_the_score", Weighted),
    ("test_autocast", Buffered),
    ("test_gradient_agrees_with_finite_differences", Detached),
]


def contract_of(affinity: Affinity) -> AffinityContract:
    return type("Contract", (AffinityContract,), {"affinity": affinity, "examples": 60, "reproducible": True})()


def test_every_law_has_an_affinity_that_breaks_it():
    assert set(laws_of(AffinityContract)) == {name for name, _ in BROKEN}


@pytest.mark.parametrize(("name", "broken"), BROKEN, ids=lambda x: getattr(x, "__name__", x))
def test_a_broken_affinity_is_caught(name, broken):
    found = verdict(contract_of(broken()), name)
    assert found.holds is False
    assert found.reason


@pytest.mark.parametrize("name", laws_of(AffinityContract))
def test_what_breaks_nothing_passes(name):
    assert verdict(contract_of(Broken()), name).holds is not False


def test_finite_differences_may_be_switched_off():
    contract = contract_of(Detached())
    type(contract).smooth = False
    assert verdict(contract, "test_gradient_agrees_with_finite_differences").holds is None
