"""`MatchingObjective`: student and teacher encode the views once; every problem of a recipe matches them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from gmssl.interfaces.views import ViewBatch
from gmssl.objective.matcher import Encoded, Heads, Matcher, Step
from gmssl.objective.settings import ObjectiveSettings
from gmssl.system.clock import StageClock


class Teacher(nn.Module):
    """Copies of modules, without gradient. Batch normalisation uses the batch, as the student's does."""

    def __init__(self, students: dict[str, nn.Module]) -> None:
        super().__init__()
        self.copies = nn.ModuleDict({name: copy.deepcopy(module) for name, module in students.items()})
        self.requires_grad_(False)

    @torch.no_grad()
    def follow(self, students: dict[str, nn.Module], momentum: float) -> None:
        """w ← momentum · w + (1 − momentum) · student; buffers keep their own statistics."""
        for name, module in students.items():
            for own, parameter in zip(self.copies[name].parameters(), module.parameters(), strict=True):
                own.lerp_(parameter, 1 - momentum)


class MatchingObjective(nn.Module):
    """The encoder, its teacher, and a matcher for each problem of the recipe.

    In a `state_dict` the main problem's weights stand at the top, `projector...`, as its settings do in a recipe.

    Attributes:
        encoder: what is trained; its outputs are those of `Encoder.build`.
        main: the matcher of the main problem.
        further: the matchers of the further ones.
        teacher: the momentum encoder, or None.
    """

    def __init__(self, settings: ObjectiveSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = settings.encoder.build()  # the encoder comes first: optimisers know weights by their number
        self.main = Matcher(settings, self.encoder)
        self.further = nn.ModuleList(Matcher(matching, self.encoder) for matching in settings.further)
        self.teacher = Teacher(self._students()) if settings.teacher else None
        self.register_state_dict_post_hook(_main_at_the_top)
        self.register_load_state_dict_pre_hook(_main_from_the_top)

    @property
    def matchers(self) -> list[Matcher]:
        """The matchers of the main problem and the further ones, in the order of `ObjectiveSettings.matchings`."""
        return [self.main, *self.further]  # type: ignore[list-item]

    def forward(self, batch: ViewBatch, generator: torch.Generator | None, clock: StageClock) -> Step:
        """One step on finished views (`Views.finish`); `generator` draws relabelling and noise.

        Returns:
            The step of the main problem, with the loss of all of them.
        """
        with clock.stage("encoder"):
            encoded = Encoded(batch, self.settings.views.pairs, *encode(self.encoder, batch.images))
            heads = self._teachers(encoded)
            embedded = [matcher.embed(encoded, head) for matcher, head in zip(self.matchers, heads, strict=True)]
        # Energies of different matchings differ by little: from here on everything is float32, also under bf16.
        with torch.autocast(encoded.pooled_VBC.device.type, enabled=False):
            steps = [
                matcher.match(encoded, views, generator, clock)
                for matcher, views in zip(self.matchers, embedded, strict=True)
            ]
        losses = [matcher.settings.weight * step.loss for matcher, step in zip(self.matchers, steps, strict=True)]
        return replace(steps[0], loss=sum(losses[1:], start=losses[0]))

    def follow(self, progress: float) -> None:
        """Let the teacher follow the student after an optimiser step, with this share of all steps done."""
        if self.teacher is not None and self.settings.teacher is not None:
            self.teacher.follow(self._students(), self.settings.teacher.at(progress))

    def _students(self) -> dict[str, nn.Module]:
        copied: dict[str, nn.Module] = {"encoder": self.encoder}
        for name, matcher in zip(self._names(), self.matchers, strict=True):
            copied |= {f"projector{name}": matcher.projector, f"vertices{name}": matcher.vertices}
        return copied

    def _names(self) -> Iterator[str]:
        """Endings of names that tell the teacher's copies of the problems apart; empty for the main one."""
        return (f"_{number}" if number else "" for number in range(1 + len(self.further)))

    def _teachers(self, student: Encoded) -> list[Heads | None]:
        """What the teacher makes of the views that it sees, for each problem."""
        if self.teacher is None:
            return [None] * len(self.matchers)
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


_BESIDE_MAIN = ("encoder.", "further.", "teacher.", "main.")


def _main_at_the_top(module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]) -> None:
    for key in [key for key in state if key.startswith(f"{prefix}main.")]:
        state[prefix + key.removeprefix(f"{prefix}main.")] = state.pop(key)


def _main_from_the_top(module: nn.Module, state: dict[str, Any], prefix: str, *rest: object) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        name = key.removeprefix(prefix)
        if not name.startswith(_BESIDE_MAIN):
            state[f"{prefix}main.{name}"] = state.pop(key)
