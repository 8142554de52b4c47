"""What is matched, as data: a matching problem, and the objective that adds up several over one encoding."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from gmssl.interfaces.affinity import Affinity
from gmssl.interfaces.balance import Balance
from gmssl.interfaces.data import Data
from gmssl.interfaces.encoder import Encoder, Projector
from gmssl.interfaces.estimator import GradientEstimator
from gmssl.interfaces.graph import GraphBuilder, MessagePassing
from gmssl.interfaces.loss import Loss, Regulariser
from gmssl.interfaces.part import Settings
from gmssl.interfaces.registry import field_of, part
from gmssl.interfaces.solver import Solver
from gmssl.interfaces.target import Target
from gmssl.interfaces.vertices import Vertices
from gmssl.interfaces.views import Views


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


class MatchingSettings(Settings):
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


class TeacherSettings(Settings):
    """The momentum encoder: encoder, projector and vertices, averaged over the run (MoCo, BYOL, DINO)."""

    momentum: float = Field(0.99, ge=0, le=1, description="share of the old weights that a step keeps, at the start")
    final: float | None = Field(
        None, ge=0, le=1, description="the same at the end of the run, along half a cosine; none keeps it constant"
    )

    def at(self, progress: float) -> float:
        """The momentum when this share of all optimiser steps is done."""
        if self.final is None:
            return self.momentum
        return self.final - (self.final - self.momentum) * (math.cos(math.pi * progress) + 1) / 2


class Source(Settings):
    """What is encoded, and by what: everything before the first matching problem."""

    seed: int = Field(0, ge=0, lt=2**32)
    protocol: Literal["as_published", "as_released", "corrected"] = Field(
        "corrected", description="a label that says whose numbers a recipe of LVM-Med follows; it changes nothing"
    )
    data: field_of(Data)  # type: ignore[valid-type]
    balance: field_of(Balance) = Field(  # type: ignore[valid-type]
        default_factory=lambda: part("balance", "none"), description="which of the images an epoch consists of"
    )
    views: field_of(Views)  # type: ignore[valid-type]
    encoder: field_of(Encoder)  # type: ignore[valid-type]
    teacher: TeacherSettings | None = Field(
        None, description="a momentum encoder, whose embeddings are the right nodes"
    )


class ObjectiveSettings(MatchingSettings, Source):
    """What is encoded, the main matching problem, and further ones over the same encoding.

    The keys of the main problem stand at the top, beside those of the source: most recipes have one problem, and it
    should not hide in a key of its own.
    """

    further: tuple[MatchingSettings, ...] = Field((), description="more problems over the same encoding; losses add up")

    @property
    def matchings(self) -> tuple[tuple[str, MatchingSettings], ...]:
        """The main problem and the further ones, each with the place of its keys: "", "further.0.", ..."""
        return ("", self), *((f"further.{number}.", matching) for number, matching in enumerate(self.further))
