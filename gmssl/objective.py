"""`MatchingObjective`: views are encoded once, and matched in every problem of the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from gmssl.clock import StageClock
from gmssl.interfaces.views import ViewBatch
from gmssl.matcher import Encoded, Heads, Matcher, Step
from gmssl.recipe import Recipe
from gmssl.teacher import Teacher


class MatchingObjective(Matcher):
    """The matcher of the main problem, with the encoder, its teacher, and the matchers of the further problems."""

    def __init__(self, recipe: Recipe) -> None:
        nn.Module.__init__(self)
        self.recipe = recipe
        self.encoder = recipe.encoder.build()  # first of all weights: optimisers know them by their number
        self.equip(recipe, self.encoder)
        self.further = nn.ModuleList(Matcher(matching, self.encoder) for matching in recipe.further)
        self.teacher = Teacher(self._students()) if recipe.teacher else None

    def forward(self, batch: ViewBatch, generator: torch.Generator | None, clock: StageClock) -> Step:
        """One step on finished views (`Views.finish`); `generator` draws relabelling and noise.

        Returns:
            The step of the main problem, with the loss of all of them.
        """
        matchers = self._matchers()
        with clock.stage("encoder"):
            encoded = Encoded(batch, self.recipe.views.pairs, *encode(self.encoder, batch.images))
            heads = self._teachers(encoded)
            embedded = [matcher.embed(encoded, head) for matcher, head in zip(matchers, heads, strict=True)]
        # Energies of different matchings differ by little: from here on everything is float32, also under bf16.
        with torch.autocast(encoded.pooled_VBC.device.type, enabled=False):
            steps = [
                matcher.match(encoded, views, generator, clock)
                for matcher, views in zip(matchers, embedded, strict=True)
            ]
        losses = [matcher.settings.weight * step.loss for matcher, step in zip(matchers, steps, strict=True)]
        return replace(steps[0], loss=sum(losses[1:], start=losses[0]))

    def follow(self, progress: float) -> None:
        """The teacher follows the student, after an optimiser step; `progress`: share of all steps that are done."""
        if self.teacher is not None and self.recipe.teacher is not None:
            self.teacher.follow(self._students(), self.recipe.teacher.at(progress))

    def _matchers(self) -> list[Matcher]:
        return [self, *self.further]  # type: ignore[list-item]

    def _students(self) -> dict[str, nn.Module]:
        copied: dict[str, nn.Module] = {"encoder": self.encoder}
        for name, matcher in zip(self._names(), self._matchers(), strict=True):
            copied |= {f"projector{name}": matcher.projector, f"vertices{name}": matcher.vertices}
        return copied

    def _names(self) -> Iterator[str]:
        """Endings that tell the teacher's copies of the problems apart; none for the main one."""
        return (f"_{number}" if number else "" for number in range(1 + len(self.further)))

    def _teachers(self, student: Encoded) -> list[Heads | None]:
        """For each problem what the teacher makes of the views that it sees."""
        if self.teacher is None:
            return [None] * len(self._matchers())
        copies, seen = self.teacher.copies, 1 + max(right for _, right in student.pairs)
        with torch.no_grad():
            encoded = Encoded(student.batch, student.pairs, *encode(copies["encoder"], student.batch.images[:seen]))
        return [Heads(encoded, copies[f"projector{name}"], copies[f"vertices{name}"]) for name in self._names()]


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
