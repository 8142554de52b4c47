"""`MatchingObjective`: LVM-Med's method section as a straight line (paper, §3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from gmssl.clock import StageClock
from gmssl.errors import ProblemError
from gmssl.gathering import gathered
from gmssl.interfaces.affinity import Affinity, Side
from gmssl.interfaces.vertices import Arrangement
from gmssl.interfaces.views import ViewBatch
from gmssl.pairs import Costs, Pairs
from gmssl.problem import Problem, Solution
from gmssl.recipe import Recipe
from gmssl.teacher import Teacher


@dataclass(frozen=True, eq=False)
class Step:
    """What one forward pass made; metrics and pictures come from here.

    Attributes:
        loss: mean over the G graph pairs, scalar.
        problem: the matching problem, its right side relabelled at random.
        solution: the matching under noise, with `solution.backward` filled by the backward pass.
        arrangement: graphs before relabelling.
        embeddings_VBD: projected features of all views.
        nodes: left and right nodes after message passing, `[G,n,D]`, `[G,m,D]`; the right ones relabelled.
        edges: of both graphs, `[G,E,2]`, `[G,F,2]`; the problem has them only if an affinity scores edges.
        relabelling: `[G,m]`; column c of the problem is right node `relabelling[g,c]` of the arrangement.
        margin: what was added to the costs of the true pairs.
    """

    loss: torch.Tensor
    problem: Problem
    solution: Solution
    arrangement: Arrangement
    embeddings_VBD: torch.Tensor
    nodes: tuple[torch.Tensor, torch.Tensor]
    edges: tuple[torch.Tensor, torch.Tensor]
    relabelling: torch.Tensor
    margin: float

    def without_margin(self) -> Problem:
        """The problem as the model believes it: no margin, no noise, no gradient."""
        target = self.problem.target
        assert target is not None, "the objective always sets a target"
        problem = self.problem.detach()
        return problem.with_costs(add_margin(problem.costs, target, -self.margin))


class MatchingObjective(nn.Module):
    """Encoder, projector, message passing, and the parts that make and solve the matching problem."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.encoder = recipe.encoder.build()
        self.projector = recipe.projector.build(int(self.encoder.channels))  # type: ignore[arg-type]
        channels = int(self.projector.channels)  # type: ignore[arg-type]
        self.predictor = recipe.predictor.build(channels) if recipe.predictor else None
        self.message_passing = recipe.message_passing.build(channels)
        self.vertices = recipe.vertices.build(channels)
        self.target = recipe.target.build()
        self.teacher = Teacher(self._students()) if recipe.teacher else None
        self.reads_maps = any(term.reads_maps for term in (*recipe.affinity.vertex, *recipe.affinity.edge))

    def forward(self, batch: ViewBatch, generator: torch.Generator | None, clock: StageClock) -> Step:
        """One step on finished views (`Views.finish`); `generator` draws relabelling and noise."""
        recipe = self.recipe
        with clock.stage("encoder"):
            maps, embeddings_VBD = project(self.encoder, self.projector, batch.images)
            student_VBD, teacher_VBD = self._student_and_teacher(embeddings_VBD, batch.images)
        # Energies of different matchings differ by little: from here on everything is float32, also under bf16.
        with torch.autocast(embeddings_VBD.device.type, enabled=False):
            with clock.stage("graph"):
                arrangement = self.vertices(exactly(student_VBD), exactly(teacher_VBD), recipe.views.pairs)
                relabelling = self._relabelling(arrangement.right, generator)
                left, right = arrangement.left, take(arrangement.right, relabelling)
                edges = recipe.graph.edges(left), recipe.graph.edges(right)
                left, right = self.message_passing(left, edges[0]), self.message_passing(right, edges[1])
            with clock.stage("costs"):
                sides = Side(left, edges[0]), Side(right, edges[1])
                if self.reads_maps:
                    sides = attach_maps(sides, sources(arrangement, relabelling), maps, batch)
                costs = self.costs(*sides)
                target = take_columns(self._target(costs, teacher_VBD), relabelling)
                allowed = take_columns(arrangement.allowed, relabelling)
                costs = add_margin(costs, target, recipe.margin)
                scored = edges if recipe.affinity.edge else (edges[0][:, :0], edges[1][:, :0])
                problem = Problem.build(costs.vertex, *scored, costs.edge, allowed, target)
            with clock.stage("match"):
                solution = recipe.estimator.match(recipe.solver, problem, generator)
            with clock.stage("loss"):
                loss = recipe.loss(solution.matching, problem).mean() + self._regularisation(embeddings_VBD)
        return Step(
            loss, problem, solution, arrangement, embeddings_VBD, (left, right), edges, relabelling, recipe.margin
        )

    def follow(self, progress: float) -> None:
        """The teacher follows the student, after an optimiser step; `progress`: share of all steps that are done."""
        if self.teacher is not None and self.recipe.teacher is not None:
            self.teacher.follow(self._students(), self.recipe.teacher.at(progress))

    def _students(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder, "projector": self.projector, "vertices": self.vertices}

    def _student_and_teacher(
        self, embeddings_VBD: torch.Tensor, images: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        student_VBD = embeddings_VBD
        if self.predictor is not None:
            student_VBD = self.predictor(embeddings_VBD.flatten(0, 1)).view(*embeddings_VBD.shape[:2], -1)
        if self.teacher is None:
            return student_VBD, embeddings_VBD
        with torch.no_grad():
            copies, seen = self.teacher.copies, 1 + max(right for _, right in self.recipe.views.pairs)
            return student_VBD, project(copies["encoder"], copies["projector"], images[:seen])[1]

    def _relabelling(self, right: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """Relaxed solvers break no ties, so there is nothing to hide from them."""
        if self.recipe.solver.differentiable:
            return torch.arange(right.shape[1], device=right.device).expand(right.shape[:2])
        return random_permutations(right, generator)

    def _target(self, costs: Costs, teacher_VBD: torch.Tensor) -> torch.Tensor:
        """`[G,n,m]`, columns in the order of the arrangement; no gradient."""
        with torch.no_grad():
            if not self.recipe.target.reads_reference:
                return self.target(costs.vertex)
            vertices = self.vertices if self.teacher is None else self.teacher.copies["vertices"]
            exchanged = tuple((right, left) for left, right in self.recipe.views.pairs)
            seen = vertices(exactly(teacher_VBD), exactly(teacher_VBD), exchanged)
            nothing = costs.edge.new_zeros(len(seen.left), 0, 2, dtype=torch.int64)
            return self.target(self.costs(Side(seen.left, nothing), Side(seen.right, nothing)).vertex)

    def _regularisation(self, embeddings_VBD: torch.Tensor) -> torch.Tensor | float:
        terms = self.recipe.regularisers
        if not terms:
            return 0.0
        views = [gathered(exactly(view)) for view in embeddings_VBD]
        return sum(term.weight * sum(term(view) for view in views) / len(views) for term in terms)

    def costs(self, left: Side, right: Side) -> Costs:
        """Affinities, weighted, summed, and negated (LVM-Med, Eq. 3 and 4)."""
        vertex = weighted_sum(self.recipe.affinity.vertex, left, right)
        if not self.recipe.affinity.edge:
            # Edges that no term scores are no part of the problem: noise on their zero costs would decide matchings.
            return Pairs(-vertex, vertex.new_zeros(len(vertex), 0, 0))
        return Pairs(-vertex, -weighted_sum(self.recipe.affinity.edge, left, right))


def weighted_sum(terms: tuple[Affinity, ...], left: Side, right: Side) -> torch.Tensor:
    """Σ weight · score."""
    total = terms[0].weight * terms[0].score(left, right)
    for term in terms[1:]:
        total = total + term.weight * term.score(left, right)
    return total


def add_margin(costs: Costs, target: torch.Tensor, margin: float) -> Costs:
    """Make the true pairs dearer by `margin`, so that they must win by it."""
    return Pairs(costs.vertex + margin * target, costs.edge) if margin else costs


def random_permutations(nodes_GmD: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """A uniform permutation of `0..m-1` for each graph, `[G,m]`.

    The target is the identity before it. A solver that breaks ties towards the identity would return the label to a
    dead model; after relabelling, ties are at chance.
    """
    graphs, m, _ = nodes_GmD.shape
    return torch.rand(graphs, m, generator=generator, device=nodes_GmD.device).argsort(1)


def take(nodes_GmD: torch.Tensor, order_Gm: torch.Tensor) -> torch.Tensor:
    """Nodes in another order."""
    return nodes_GmD.gather(1, order_Gm[..., None].expand_as(nodes_GmD))


def exactly(tensor: torch.Tensor) -> torch.Tensor:
    """At least in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def take_columns(pairs_Gnm: torch.Tensor, order_Gm: torch.Tensor) -> torch.Tensor:
    """Vertex pairs with their columns in another order."""
    return pairs_Gnm.gather(2, order_Gm[:, None, :].expand_as(pairs_Gnm))


def sources(arrangement: Arrangement, relabelling: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which view and image the nodes are, the right ones relabelled.

    Raises:
        ProblemError: nodes are no images of the batch.
    """
    if arrangement.sources is None:
        raise ProblemError("an affinity compares feature maps, and these vertices have none; use vertices images.")
    left, right = arrangement.sources
    return left, right.gather(1, relabelling)


def project(
    encoder: nn.Module, projector: nn.Module, images: tuple[torch.Tensor, ...]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Maps of each view, and embeddings `[V,B,D]`."""
    maps, pooled_VBC = encode(encoder, images)
    return maps, projector(pooled_VBC.flatten(0, 1)).view(*pooled_VBC.shape[:2], -1)


def encode(encoder: nn.Module, images: tuple[torch.Tensor, ...]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Maps of each view, `[B,C,h,w]`, and pooled features `[V,B,C']`; views of equal size pass the encoder together."""
    maps: list[torch.Tensor] = []
    pooled: list[torch.Tensor] = []
    first = 0
    while first < len(images):
        last = first
        while last < len(images) and images[last].shape == images[first].shape:
            last += 1
        map_, features = encoder(torch.cat(images[first:last]))
        maps += map_.chunk(last - first)
        pooled += features.chunk(last - first)
        first = last
    return maps, torch.stack(pooled)


def attach_maps(
    sides: tuple[Side, Side], sources: tuple[torch.Tensor, torch.Tensor], maps: list[torch.Tensor], batch: ViewBatch
) -> tuple[Side, Side]:
    """Give both sides the maps of their nodes, with positions in original-image pixels and a mask of the padding."""
    vectors, positions, valid = flatten_maps(maps, batch)
    images = vectors.shape[1]
    attached = [
        Side(
            side.nodes,
            side.edges,
            vectors.flatten(0, 1)[source],
            positions.flatten(0, 1)[source],
            valid[source[:, 0] // images],
        )
        for side, source in zip(sides, sources, strict=True)
    ]
    return attached[0], attached[1]


def flatten_maps(maps: list[torch.Tensor], batch: ViewBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps as vectors `[V,B,P,C]`, positions `[V,B,P,2]`, and which of the P are no padding, `[V,P]`."""
    cells = max(map_.shape[2] * map_.shape[3] for map_ in maps)
    vectors, positions, valid = [], [], []
    for view, map_ in enumerate(maps):
        count = map_.shape[2] * map_.shape[3]
        pad = (0, 0, 0, cells - count)
        vectors.append(nn.functional.pad(map_.float().flatten(2).mT, pad))
        where = cell_centres(map_.shape[2:], batch.images[view].shape[2:], batch.affines[view])
        positions.append(nn.functional.pad(where, pad))
        valid.append(torch.arange(cells, device=map_.device) < count)
    return torch.stack(vectors), torch.stack(positions), torch.stack(valid)


def cell_centres(grid: torch.Size, size: torch.Size, affine_B23: torch.Tensor) -> torch.Tensor:
    """Centres of the h×w map cells of a crop, in pixels of the original image, `[B,h·w,2]` as (x, y).

    Cell (row, column) of a crop of H×W pixels is centred at ((column + ½)·W/w, (row + ½)·H/h), in continuous
    coordinates where pixel k covers [k, k+1); `affine_B23` leads from there to the original image, the flip included.
    """
    (rows, columns), (height, width) = grid, size
    v, u = torch.meshgrid(
        (torch.arange(rows, device=affine_B23.device) + 0.5) * (height / rows),
        (torch.arange(columns, device=affine_B23.device) + 0.5) * (width / columns),
        indexing="ij",
    )
    homogeneous = torch.stack((u.flatten(), v.flatten(), torch.ones_like(u.flatten())), 1).to(affine_B23.dtype)
    return homogeneous @ affine_B23.mT
