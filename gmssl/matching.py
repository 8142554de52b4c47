"""`Matching`: one matching problem as data."""

from __future__ import annotations

from pydantic import Field, model_validator

from gmssl.interfaces.affinity import Affinity
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.graph_builder import GraphBuilder
from gmssl.interfaces.loss import Loss
from gmssl.interfaces.message_passing import MessagePassing
from gmssl.interfaces.projector import Projector
from gmssl.interfaces.regulariser import Regulariser
from gmssl.interfaces.solver import Solver
from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Vertices
from gmssl.parts import Settings
from gmssl.registry import field_of, part


class Affinities(Settings):
    """Weighted terms of the vertex affinity (LVM-Med, Eq. 3) and of the edge affinity."""

    vertex: tuple[field_of(Affinity), ...] = Field(min_length=1)  # type: ignore[valid-type]
    edge: tuple[field_of(Affinity), ...] = ()  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _terms_stand_where_they_score(self) -> Affinities:
        for place, terms in (("vertex", self.vertex), ("edge", self.edge)):
            for number, term in enumerate(terms):
                if term.scores != place:
                    raise ValueError(
                        f"{place}.{number}: {term.kind!r} scores {term.scores} pairs; move it to affinity.{term.scores}"
                    )
        return self


class Matching(Settings):
    """One matching problem over encoded views. Fields stand in the order of a training step."""

    weight: float = Field(1.0, ge=0, description="factor on the loss of this problem and on its regularisers")
    projector: field_of(Projector)  # type: ignore[valid-type]
    predictor: field_of(Projector) | None = Field(  # type: ignore[valid-type]
        None, description="a second head, of the student's embeddings only (BYOL)"
    )
    vertices: field_of(Vertices)  # type: ignore[valid-type]
    graph: field_of(GraphBuilder)  # type: ignore[valid-type]
    message_passing: field_of(MessagePassing)  # type: ignore[valid-type]
    affinity: Affinities
    target: field_of(Target) = Field(default_factory=lambda: part("target", "identity"))  # type: ignore[valid-type]
    margin: float = Field(0.0, description="added to the costs of the true pairs, so that they must win by this much")
    solver: field_of(Solver)  # type: ignore[valid-type]
    estimator: field_of(GradientEstimator)  # type: ignore[valid-type]
    loss: field_of(Loss)  # type: ignore[valid-type]
    regularisers: tuple[field_of(Regulariser), ...] = ()  # type: ignore[valid-type]
