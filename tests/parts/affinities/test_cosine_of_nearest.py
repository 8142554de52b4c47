"""Local terms by chunks against the plain version, which holds all products and leaves gradients to autograd."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import gmssl
from gmssl.interfaces.affinity import Side
from gmssl.parts.affinities import cosine_of_nearest

SEEDS = st.integers(0, 2**31)
KINDS = st.sampled_from(["position", "feature", "both"])


def plain_score(left: Side, right: Side, by: str, best: int | None) -> torch.Tensor:
    """Σ of the mean cosines of nearest positions, from the cosines and distances of all pairs of positions."""
    if by == "both":
        return plain_score(left, right, "position", best) + plain_score(left, right, "feature", best)
    a, b = given_(left.maps), given_(right.maps)
    (graphs, n, p, _), (m, q) = a.shape, b.shape[1:3]
    one, other = (torch.nn.functional.normalize(x.flatten(1, 2), dim=2) for x in (a, b))
    similar = (one @ other.mT).view(graphs, n, p, m, q).transpose(2, 3)
    places = (left.positions, right.positions) if by == "position" else (a, b)
    far = torch.cdist(*(given_(x).detach().flatten(1, 2) for x in places)).view(graphs, n, p, m, q).transpose(2, 3)
    for side, shape in ((left, (graphs, 1, 1, p, 1)), (right, (graphs, 1, 1, 1, q))):
        if side.valid is not None:
            far = far.masked_fill(~side.valid.view(shape), torch.inf)
    total = torch.zeros(graphs, n, m, dtype=a.dtype)
    for searched in (4, 3):
        distance, nearest = far.min(searched, keepdim=True)
        found, distance = similar.gather(searched, nearest).squeeze(searched), distance.squeeze(searched)
        if best is not None and best < found.shape[3]:
            distance, chosen = distance.topk(best, dim=3, largest=False)
            found = found.gather(3, chosen)
        counted = torch.isfinite(distance)
        total = total + (found * counted).sum(3) / counted.sum(3).clamp(min=1)
    return total


def given_(tensor: torch.Tensor | None) -> torch.Tensor:
    assert tensor is not None
    return tensor


@st.composite
def paired_maps(draw: st.DrawFn, channels: int | None = None) -> tuple[Side, Side]:
    """Maps of both sides, of different numbers of images and positions, with and without padding; float64."""
    graphs, depth = draw(st.integers(0, 4)), channels or draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(draw(SEEDS))

    def side() -> Side:
        n, cells = draw(st.integers(1, 4)), draw(st.integers(1, 7))
        valid = torch.rand(graphs, cells, generator=generator) < 0.6
        valid[:, 0] = True
        return Side(
            nodes=torch.zeros(graphs, n, 1, dtype=torch.float64),
            edges=torch.zeros(graphs, 0, 2, dtype=torch.int64),
            maps=torch.randn(graphs, n, cells, depth, generator=generator, dtype=torch.float64).requires_grad_(),
            positions=torch.rand(graphs, n, cells, 2, generator=generator, dtype=torch.float64) * 200,
            valid=valid if draw(st.booleans()) else None,
        )

    return side(), side()


def gradients(score: torch.Tensor, left: Side, right: Side) -> tuple[torch.Tensor, ...]:
    weights = torch.randn(score.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.autograd.grad((score * weights.to(score.dtype)).sum(), (given_(left.maps), given_(right.maps)))


@given(paired_maps(), KINDS, st.none() | st.integers(1, 4), st.integers(1, 400))
def test_values_and_gradients_of_the_plain_version(
    sides: tuple[Side, Side], by: str, best: int | None, entries: int
) -> None:
    term, expected = gmssl.part("affinity", "nearest_patches", by=by, best=best), plain_score(*sides, by, best)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosine_of_nearest, "ENTRIES", entries)  # chunks of one graph, of several, of all
        score = term.score(*sides)
        torch.testing.assert_close(score, expected, rtol=1e-10, atol=1e-10)
        for one, other in zip(gradients(score, *sides), gradients(expected, *sides), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@settings(max_examples=8)  # each takes a pass for every number of the maps
@given(paired_maps(channels=3), KINDS, st.none() | st.integers(1, 3))
def test_gradients_agree_with_finite_differences(sides: tuple[Side, Side], by: str, best: int | None) -> None:
    left, right = sides
    if len(left.nodes) == 0:
        return
    term = gmssl.part("affinity", "nearest_patches", by=by, best=best)

    def score(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return term.score(replace(left, maps=one), replace(right, maps=other))

    assert torch.autograd.gradcheck(score, (given_(left.maps), given_(right.maps)))


@given(paired_maps(), KINDS, SEEDS)
def test_vectors_without_direction_have_no_gradient(sides: tuple[Side, Side], by: str, seed: int) -> None:
    """Exactly 0, where dividing by max(|q|, 1e-12) has a gradient of 10^11; and no longer than ε."""
    left, right = sides
    term = gmssl.part("affinity", "nearest_patches", by=by)
    generator = torch.Generator().manual_seed(seed)
    dead = torch.rand(given_(left.maps).shape[:3], generator=generator) < 0.4
    for length in (0.0, 0.9 * term.epsilon):
        unit = torch.nn.functional.normalize(given_(left.maps).detach(), dim=3)
        maps = torch.where(dead[..., None], unit * length, given_(left.maps).detach()).requires_grad_()
        side = replace(left, maps=maps)
        score = term.score(side, right)
        if length == 0:
            torch.testing.assert_close(score, plain_score(side, right, by, None), rtol=1e-10, atol=1e-10)
        gradient, other = gradients(score, side, right)
        assert bool((gradient[dead] == 0).all())
        assert bool(torch.isfinite(gradient).all() and torch.isfinite(other).all())


@given(paired_maps(channels=4), KINDS, st.floats(-5, 2))
def test_gradients_are_at_most_one_over_the_length(sides: tuple[Side, Side], by: str, exponent: float) -> None:
    left, right = sides
    unit = torch.nn.functional.normalize(given_(left.maps).detach(), dim=3)
    left = replace(left, maps=(unit * 10**exponent).requires_grad_())
    score = gmssl.part("affinity", "nearest_patches", by=by).score(left, right)
    if not score.numel():
        return
    (gradient,) = torch.autograd.grad(score[0, 0, 0], given_(left.maps))
    pairs = (2 if by == "both" else 1) * (1 + given_(right.maps).shape[2])  # in which a position can be
    assert float(gradient.norm(dim=3).max()) <= pairs * 10**-exponent * (1 + 1e-9)


@given(paired_maps(), KINDS)
def test_autocast_and_repetition_change_no_bit(sides: tuple[Side, Side], by: str) -> None:
    left, right = (
        replace(x, maps=given_(x.maps).detach().float().requires_grad_(), positions=given_(x.positions).float())
        for x in sides
    )
    term = gmssl.part("affinity", "nearest_patches", by=by)
    score = term.score(left, right)
    expected = (score, *gradients(score, left, right))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = term.score(left, right)
        for one, other in zip(expected, (again, *gradients(again, left, right)), strict=True):
            assert torch.equal(one, other)
            assert one.dtype == torch.float32


def test_single_precision_finds_the_positions_of_double_precision() -> None:
    """On grids; distances from |a|² + |b|² − 2ab, as `torch.cdist` forms them from 26 positions on, do not."""
    generator = torch.Generator().manual_seed(0)
    cells = torch.cartesian_prod(torch.arange(7.0), torch.arange(7.0)).to(torch.float64)

    def side() -> Side:
        corner, size = torch.rand(2, 12, 16, 1, 2, generator=generator, dtype=torch.float64)
        maps = torch.randn(12, 16, 49, 2, generator=generator, dtype=torch.float64)
        edges = torch.zeros(12, 0, 2, dtype=torch.int64)
        return Side(maps[..., 0, :], edges, maps, (corner * 50 + (5 + size * 20) * cells).float().double())

    sides = side(), side()
    single = [replace(x, maps=given_(x.maps).float(), positions=given_(x.positions).float()) for x in sides]
    score = gmssl.part("affinity", "nearest_patches", by="position").score(*single)
    torch.testing.assert_close(score.double(), plain_score(*sides, "position", None), rtol=0, atol=2e-6)


def test_one_side_may_be_without_gradient() -> None:
    maps = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    positions = torch.rand(2, 2, 3, 4, 2)
    nodes, edges = torch.zeros(2, 3, 1), torch.zeros(2, 0, 2, dtype=torch.int64)
    for trained in (0, 1):
        leaves = [maps[side].clone().requires_grad_(side == trained) for side in (0, 1)]
        left, right = (Side(nodes, edges, leaf, where) for leaf, where in zip(leaves, positions, strict=True))
        gmssl.part("affinity", "nearest_patches", by="both").score(left, right).sum().backward()
        assert leaves[trained].grad is not None
        assert leaves[1 - trained].grad is None


def test_no_product_of_all_positions_is_kept() -> None:
    """From forward to backward: the maps, and a number of each position for each image, not for each position."""
    graphs, n, cells = 3, 8, 49
    maps = torch.randn(graphs, n, cells, 2, requires_grad=True)
    side = Side(torch.zeros(graphs, n, 1), torch.zeros(graphs, 0, 2, dtype=torch.int64), maps, torch.rand(3, 8, 49, 2))
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        score = gmssl.part("affinity", "nearest_patches", by="both").score(side, side)
    assert score.requires_grad
    assert max(kept) == graphs * n * n * cells
    assert sum(kept) < (graphs * n * cells) * (n * cells) / 4
