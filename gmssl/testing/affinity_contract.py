"""The laws every affinity keeps. A plugin's whole test:

import gmssl
from gmssl.testing.affinity_contract import AffinityContract

class TestMine(AffinityContract):
    affinity = gmssl.part("affinity", "mine")
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from hypothesis import strategies as st

from gmssl.interfaces.affinity import Affinity, Side
from gmssl.testing.laws import Contract, applies_if, law, require
from gmssl.testing.sides import paired_sides, renamed, select

Sides = tuple[Side, Side]


class AffinityContract(Contract):
    """Inherit, and set `affinity`.

    `examples` (25) is how many examples a law is tried on; `smooth = False` is for an affinity whose derivative is not
    meant to agree with finite differences.
    """

    affinity: ClassVar[Affinity]
    smooth: ClassVar[bool] = True

    @law
    def test_scores_have_form(self, data: st.DataObject) -> None:
        """[G,n,m] of vertices or [G,E,F] of edges, finite, in the dtype of the nodes."""
        sides = data.draw(paired_sides())
        self._require_form(sides, self._score(sides), sides[0].nodes.dtype)

    @law
    def test_degenerate_gradients_are_finite(self, data: st.DataObject) -> None:
        """Zero vectors, equal nodes, edges of length 0 and maps of zeros have finite scores and gradients."""
        sides = data.draw(paired_sides(degenerate=True))
        self._backward(sides)

    def test_no_graph_and_no_edge(self) -> None:
        """G = 0 and E = F = 0 are scored."""
        for graphs, edges in ((0, 3), (2, 0)):
            sides = tuple(_plain_side(graphs, n, edges) for n in (2, 3))
            self._require_form((sides[0], sides[1]), self._score((sides[0], sides[1])), torch.float32)

    @law
    def test_renaming_vertices_renames_the_scores(self, data: st.DataObject) -> None:
        """Scores of vertices follow the names of the vertices, scores of edges do not depend on them."""
        left, right = data.draw(paired_sides(dtypes=(torch.float64,)))
        rows, columns = (
            torch.tensor(data.draw(st.permutations(range(x.nodes.shape[1]))), device="cpu") for x in (left, right)
        )
        before, after = self._score((left, right)), self._score((renamed(left, rows), renamed(right, columns)))
        expected = before[:, rows][:, :, columns] if self.affinity.scores == "vertex" else before
        require(_near(expected, after), "renamed vertices have other scores")

    @law
    def test_reordering_edges_reorders_the_scores(self, data: st.DataObject) -> None:
        """Scores of edges follow their order, scores of vertices do not depend on it."""
        left, right = data.draw(paired_sides(dtypes=(torch.float64,)))
        rows, columns = (
            torch.tensor(data.draw(st.permutations(range(x.edges.shape[1]))), dtype=torch.long, device="cpu")
            for x in (left, right)
        )
        reordered = replace(left, edges=left.edges[:, rows]), replace(right, edges=right.edges[:, columns])
        before, after = self._score((left, right)), self._score(reordered)
        expected = before[:, rows][:, :, columns] if self.affinity.scores == "edge" else before
        require(_near(expected, after), "reordered edges have other scores")

    @law
    def test_independent_of_batch(self, data: st.DataObject) -> None:
        """A graph pair alone has the scores that it has in a batch."""
        left, right = data.draw(paired_sides(dtypes=(torch.float64,)))
        together = self._score((left, right))
        for graph in range(len(left.nodes)):
            index = torch.tensor([graph], device="cpu")
            alone = self._score((select(left, index), select(right, index)))
            require(_near(alone, together[index]), "the scores depend on the other graphs of the batch")

    @law
    def test_deterministic_and_pure(self, data: st.DataObject) -> None:
        """Twice the same, bit for bit; inputs as before."""
        sides = data.draw(paired_sides())
        copies = [[x.clone() for x in _tensors(side)] for side in sides]
        one, other = self._score(sides), self._score(sides)
        require(torch.equal(one, other), "the second scores differ")
        for side, before in zip(sides, copies, strict=True):
            for old, new in zip(before, _tensors(side), strict=True):
                require(torch.equal(old, new), "the affinity has changed its input")

    @law
    def test_facts_are_true(self, data: st.DataObject) -> None:
        """Scores depend on nodes and on maps exactly if `reads_nodes` and `reads_maps` say so."""
        left, right = data.draw(paired_sides(dtypes=(torch.float64,)))
        left, right = (
            replace(x, edges=torch.tensor([[0, x.nodes.shape[1] - 1]], device="cpu").expand(len(x.nodes), 1, 2))
            for x in (left, right)
        )
        # A single vertex has edges of length 0 only, a single channel angles of 0 and π only.
        telling = min(*left.nodes.shape[1:], *right.nodes.shape[1:], *_given(left.maps).shape[3:]) > 1
        before = self._score((left, right))
        for what, reads, other in (
            ("nodes", self.affinity.reads_nodes, replace(left, nodes=left.nodes.flip(2) * 1.5 + 0.5)),
            ("maps", self.affinity.reads_maps, replace(left, maps=_given(left.maps).flip(3) * 1.5 + 0.5)),
        ):
            changed = not _near(before, self._score((other, right)))
            require(reads or not changed, f"reads_{what} is False, but other {what} change the scores")
            require(changed or not reads or not telling, f"reads_{what} is True, but other {what} change nothing")
        if not self.affinity.reads_maps:
            bare = Side(left.nodes, left.edges), Side(right.nodes, right.edges)
            require(_near(before, self._score(bare)), "reads_maps is False, but scores differ without maps")

    @law
    def test_padding_is_ignored(self, data: st.DataObject) -> None:
        """What lies at map positions that `valid` marks as padding changes nothing."""
        applies_if(self.affinity.reads_maps, "it reads no maps")
        sides = data.draw(paired_sides(dtypes=(torch.float64,)).filter(lambda s: s[0].valid is not None))
        other = []
        for side in sides:
            padding = ~_given(side.valid)[:, None, :, None]
            maps, positions = _given(side.maps), _given(side.positions)
            other.append(replace(side, maps=maps.masked_fill(padding, 7.0), positions=positions * ~padding))
        require(_near(self._score(sides), self._score((other[0], other[1]))), "padding of the maps changes the scores")

    @law
    def test_weight_is_not_in_the_score(self, data: st.DataObject) -> None:
        """`score` is unweighted: the objective multiplies by the weight."""
        sides = data.draw(paired_sides())
        heavy = self.affinity.model_copy(update={"weight": 3.0})
        require(torch.equal(self._score(sides), heavy.score(*sides)), "the weight is multiplied twice")

    @law
    def test_autocast(self, data: st.DataObject) -> None:
        """Under bfloat16 autocast scores are finite and gradients float32."""
        sides = data.draw(paired_sides(dtypes=(torch.float32,)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            self._backward(sides)

    @law
    def test_gradient_agrees_with_finite_differences(self, data: st.DataObject) -> None:
        """In float64, at nodes and maps in general position."""
        applies_if(self.smooth, "its contract sets smooth = False")
        left, right = data.draw(paired_sides(dtypes=(torch.float64,)))

        def score(nodes: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
            return self._score((replace(left, nodes=nodes, maps=maps), right))

        inputs = left.nodes.clone().requires_grad_(), _given(left.maps).clone().requires_grad_()
        agrees = torch.autograd.gradcheck(score, inputs, raise_exception=False, check_undefined_grad=False)
        require(agrees, "the gradient differs from finite differences")

    def _score(self, sides: Sides) -> torch.Tensor:
        return self.affinity.score(*sides)

    def _backward(self, sides: Sides) -> None:
        """Scores of leaves, and finite gradients of them in their dtype."""
        leaf = lambda x: x.clone().requires_grad_()  # noqa: E731
        leaves = tuple(replace(x, nodes=leaf(x.nodes), maps=leaf(_given(x.maps))) for x in sides)
        score = self._score((leaves[0], leaves[1]))
        self._require_form(sides, score, None)
        inputs = [x for side in leaves for x in (side.nodes, _given(side.maps))]
        if not score.requires_grad:
            return
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(score.shape, generator=generator, dtype=torch.float32, device="cpu")
        for x, gradient in zip(
            inputs, torch.autograd.grad((score * weights).sum(), inputs, allow_unused=True), strict=True
        ):
            if gradient is not None:
                require(torch.isfinite(gradient).all(), "a gradient is not finite")
                require(gradient.dtype == x.dtype, f"a gradient has dtype {gradient.dtype}, its input {x.dtype}")

    def _require_form(self, sides: Sides, score: torch.Tensor, dtype: torch.dtype | None) -> None:
        left, right = ((x.edges if self.affinity.scores == "edge" else x.nodes) for x in sides)
        expected = (left.shape[0], left.shape[1], right.shape[1])
        require(score.shape == expected, f"scores have shape {list(score.shape)} instead of {list(expected)}")
        require(torch.isfinite(score).all(), "a score is not finite")
        if dtype is not None:
            require(score.dtype == dtype, f"scores have dtype {score.dtype} instead of {dtype}")


def _near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-9, atol=1e-9)


def _given(tensor: torch.Tensor | None) -> torch.Tensor:
    assert tensor is not None
    return tensor


def _tensors(side: Side) -> list[torch.Tensor]:
    return [x for x in (side.nodes, side.edges, side.maps, side.positions, side.valid) if x is not None]


def _plain_side(graphs: int, n: int, edges: int) -> Side:
    return Side(
        nodes=torch.ones(graphs, n, 4, dtype=torch.float32, device="cpu"),
        edges=torch.zeros(graphs, edges, 2, dtype=torch.long, device="cpu"),
        maps=torch.ones(graphs, n, 3, 5, dtype=torch.float32, device="cpu"),
        positions=torch.ones(graphs, n, 3, 2, dtype=torch.float32, device="cpu"),
    )
