"""`Matcher`: LVM-Med's method section as a straight line (paper, §3), for one matching problem."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from gmssl.errors import ProblemError
from gmssl.interfaces.affinity import Affinity, Side
from gmssl.interfaces.vertices import Arrangement, Encoding
from gmssl.interfaces.views import ViewBatch
from gmssl.objective.maps import attach_maps, cells, positions_of
from gmssl.objective.settings import MatchingSettings
from gmssl.problem import Costs, Pairs, Problem, Solution
from gmssl.system.clock import StageClock
from gmssl.system.gathering import gathered


@dataclass(frozen=True, eq=False)
class Step:
    """The results of one forward pass, of which metrics and pictures are made.

    Attributes:
        loss: mean over the G graph pairs, scalar; the loss of the whole objective if that returned this step.
        problem: the matching problem, its right side relabelled at random.
        solution: the matching under noise, with `solution.backward` filled by the backward pass.
        arrangement: graphs before relabelling.
        embeddings_VBD: projected features of all views.
        nodes: left and right nodes after message passing, `[G,n,D]`, `[G,m,D]`; the right ones relabelled.
        edges: edges of both graphs, `[G,E,2]`, `[G,F,2]`; the problem has them only if an affinity scores edges.
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


@dataclass(frozen=True, eq=False)
class Encoded:
    """The views, and what an encoder made of them.

    Attributes:
        batch: the finished views.
        pairs: the (left view, right view) to match.
        maps: `[B,C,h,w]` a view; a teacher's may be fewer than the views of the batch.
        pooled_VBC: `[V,B,C']`.
    """

    batch: ViewBatch
    pairs: tuple[tuple[int, int], ...]
    maps: list[torch.Tensor]
    pooled_VBC: torch.Tensor

    def encoding(self, with_maps: bool) -> Encoding:
        """The encoding that heads are applied to."""
        encoding = Encoding(self.pooled_VBC, self.batch.index)
        if not with_maps:
            return encoding
        with torch.autocast(self.pooled_VBC.device.type, enabled=False):  # bfloat16 cannot hold three digits of a pixel
            positions = tuple(positions_of(map_, self.batch, view) for view, map_ in enumerate(self.maps))
        return replace(encoding, patches=tuple(cells(map_) for map_ in self.maps), positions=positions)


@dataclass(frozen=True, eq=False)
class Heads:
    """The teacher's encoding, and its copies of a matcher's projector and vertices."""

    encoded: Encoded
    projector: nn.Module
    vertices: nn.Module


@dataclass(frozen=True, eq=False)
class Embedded:
    """The views as one problem sees them.

    Attributes:
        projected: encoding behind the student's projector.
        student: encoding behind its predictor as well, if there is one.
        teacher: encoding behind the teacher's projector, without gradient; `projected` if there is no teacher.
        vertices: the module that arranges what the teacher sees.
    """

    projected: Encoding
    student: Encoding
    teacher: Encoding
    vertices: nn.Module


class Matcher(nn.Module):
    """Heads, message passing, and the parts that make and solve one matching problem of encoded views.

    The encoder says how many channels its features have; it is no module of the matcher.
    """

    def __init__(self, settings: MatchingSettings, encoder: nn.Module) -> None:
        super().__init__()
        self.settings = settings
        channels = int(encoder.channels)  # type: ignore[arg-type]
        if settings.vertices.reads_maps:
            channels = int(getattr(encoder, "map_channels", channels))
        self.projector = settings.projector.build(channels)
        channels = int(self.projector.channels)  # type: ignore[arg-type]
        self.predictor = settings.predictor.build(channels) if settings.predictor else None
        self.message_passing = settings.message_passing.build(channels)
        self.vertices = settings.vertices.build(channels)
        self.target = settings.target.build()
        self.reads_maps = any(term.reads_maps for term in (*settings.affinity.vertex, *settings.affinity.edge))

    def embed(self, encoded: Encoded, teacher: Heads | None) -> Embedded:
        """Apply the heads."""
        with_maps = self.settings.vertices.reads_maps
        projected = through(self.projector, encoded.encoding(with_maps))
        student = projected if self.predictor is None else through(self.predictor, projected)
        if teacher is None:
            return Embedded(projected, student, projected, self.vertices)
        with torch.no_grad():
            seen = through(teacher.projector, teacher.encoded.encoding(with_maps))
        return Embedded(projected, student, seen, teacher.vertices)

    def match(self, encoded: Encoded, embedded: Embedded, generator: torch.Generator | None, clock: StageClock) -> Step:
        """Arrange, solve and compare, in float32; `generator` draws relabelling and noise."""
        settings = self.settings
        with clock.stage("graph"):
            # Float32 whatever autocast says: a matching is decided by differences that bfloat16 does not hold.
            arrangement = self.vertices(exactly(embedded.student), exactly(embedded.teacher), encoded.pairs)
            relabelling = self._relabelling(arrangement.right, generator)
            # Relabelling comes before edges and costs, which then need no renaming; nothing knows the old order.
            left, right = arrangement.left, take(arrangement.right, relabelling)
            edges = settings.graph.edges(left), settings.graph.edges(right)
            left, right = self.message_passing(left, edges[0]), self.message_passing(right, edges[1])
        with clock.stage("costs"):
            sides = Side(left, edges[0]), Side(right, edges[1])
            if self.reads_maps:
                sides = attach_maps(sides, sources(arrangement, relabelling), encoded.maps, encoded.batch)
            costs = self.costs(*sides)
            # The target is known in the order of the arrangement; its columns follow the right nodes.
            target = take_columns(self._target(costs, arrangement, embedded, encoded.pairs), relabelling)
            allowed = take_columns(arrangement.allowed, relabelling)
            costs = add_margin(costs, target, settings.margin)
            scored = edges if settings.affinity.edge else (edges[0][:, :0], edges[1][:, :0])
            problem = Problem.build(costs.vertex, *scored, costs.edge, allowed, target)
        with clock.stage("match"):
            solution = settings.estimator.match(settings.solver, problem, generator)
        with clock.stage("loss"):
            embeddings_VBD = embedded.projected.embeddings
            loss = settings.loss(solution.matching, problem).mean()
            loss = loss + self._regularisation(arrangement.samples or float32(embeddings_VBD).unbind())
        return Step(
            loss, problem, solution, arrangement, embeddings_VBD, (left, right), edges, relabelling, settings.margin
        )

    def _relabelling(self, right: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        """A random order of the right nodes; their own order for relaxed solvers, which break no ties."""
        if self.settings.solver.differentiable:
            return torch.arange(right.shape[1], device=right.device).expand(right.shape[:2])
        return random_permutations(right, generator)

    def _target(
        self, costs: Costs, arrangement: Arrangement, embedded: Embedded, pairs: tuple[tuple[int, int], ...]
    ) -> torch.Tensor:
        """The target `[G,n,m]` without gradient, its columns in the order of the arrangement."""
        with torch.no_grad():
            if not self.settings.target.reads_reference:
                return self.target(costs.vertex, arrangement)
            teacher = exactly(embedded.teacher)
            # The views are exchanged: the left view has to match what the right one says.
            seen = embedded.vertices(teacher, teacher, tuple((right, left) for left, right in pairs))
            nothing = costs.edge.new_zeros(len(seen.left), 0, 2, dtype=torch.int64)
            return self.target(self.costs(Side(seen.left, nothing), Side(seen.right, nothing)).vertex, seen)

    def _regularisation(self, samples: tuple[torch.Tensor, ...]) -> torch.Tensor | float:
        terms = self.settings.regularisers
        if not terms:
            return 0.0
        sets = [gathered(sample, -2) for sample in samples]
        return sum(term.weight * sum(term(each).mean() for each in sets) / len(sets) for term in terms)

    def costs(self, left: Side, right: Side) -> Costs:
        """The affinities, weighted, summed, and negated (LVM-Med, Eq. 3 and 4)."""
        terms = self.settings.affinity
        vertex = weighted_sum(terms.vertex, left, right)
        if not terms.edge:
            # Edges that no term scores are left out of the problem: noise on their zero costs would decide matchings.
            return Pairs(-vertex, vertex.new_zeros(len(vertex), 0, 0))
        return Pairs(-vertex, -weighted_sum(terms.edge, left, right))


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
    return torch.rand(graphs, m, generator=generator, device=nodes_GmD.device, dtype=torch.float32).argsort(1)


def take(nodes_GmD: torch.Tensor, order_Gm: torch.Tensor) -> torch.Tensor:
    """Nodes in another order."""
    return nodes_GmD.gather(1, order_Gm[..., None].expand_as(nodes_GmD))


def take_columns(pairs_Gnm: torch.Tensor, order_Gm: torch.Tensor) -> torch.Tensor:
    """Vertex pairs with their columns in another order."""
    return pairs_Gnm.gather(2, order_Gm[:, None, :].expand_as(pairs_Gnm))


def float32(tensor: torch.Tensor) -> torch.Tensor:
    """At least in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def exactly(encoding: Encoding) -> Encoding:
    """At least in float32."""
    patches = tuple(float32(patch) for patch in encoding.patches)
    return replace(encoding, embeddings=float32(encoding.embeddings), patches=patches)


def through(head: nn.Module, encoding: Encoding) -> Encoding:
    """An encoding behind a head; batch normalisation sees all views, or all map cells of all views, at once."""
    if not encoding.patches:
        views, images = encoding.embeddings.shape[:2]
        return replace(encoding, embeddings=head(encoding.embeddings.flatten(0, 1)).view(views, images, -1))
    rows = [patches_BPC.flatten(0, 1) for patches_BPC in encoding.patches]
    outputs = head(torch.cat(rows)).split([len(row) for row in rows])
    patches = tuple(out.unflatten(0, old.shape[:2]) for out, old in zip(outputs, encoding.patches, strict=True))
    return replace(encoding, embeddings=torch.stack([patch.mean(1) for patch in patches]), patches=patches)


def sources(arrangement: Arrangement, relabelling: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which view and image the nodes are, the right ones relabelled.

    Raises:
        ProblemError: nodes are no images of the batch.
    """
    if arrangement.sources is None:
        raise ProblemError("an affinity compares feature maps, and these vertices have none; use vertices images.")
    left, right = arrangement.sources
    return left, right.gather(1, relabelling)
