"""What parts ask for before an epoch: a call of `begin_epoch`, and a pass over all images if they want one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gmssl.errors import ProblemError, TrainingError
from gmssl.interfaces.vertices import BeginsEpochs, Encoding, Epoch
from gmssl.objective.matcher import Encoded, Matcher, exactly
from gmssl.objective.objective import encode
from gmssl.recipe.recipe import Recipe
from gmssl.training.datamodule import FIRST_LOOK, TrainingData
from gmssl.training.model import reseed
from gmssl.training.module import MatchingModule

if TYPE_CHECKING:
    from rich.console import Console


class EpochStart(Callback):
    """Tells each module of a part that `BeginsEpochs` of the epoch, on all ranks, before its first step."""

    def __init__(self, recipe: Recipe, images: int, console: Console) -> None:
        self._recipe, self._images, self._console = recipe, images, console

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The modules of all problems, in the order of a step."""
        assert isinstance(pl_module, MatchingModule)
        number = trainer.current_epoch
        seed = int(np.random.SeedSequence((self._recipe.seed, number)).generate_state(1, np.uint64)[0]) >> 1
        for matcher in pl_module.objective.matchers:
            encodings = partial(self._encodings, trainer, pl_module, matcher)
            for part in matcher.children():
                if isinstance(part, BeginsEpochs):
                    try:
                        part.begin_epoch(Epoch(number, self._images, seed, self._recipe.views.pairs, encodings))
                    except ProblemError as error:
                        pl_module.agreed = True  # memories are equal on all ranks, and so are their faults
                        raise TrainingError(f"before epoch {number}: {error}") from error

    def _encodings(self, trainer: Trainer, module: MatchingModule, matcher: Matcher) -> Iterator[Encoding]:
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, TrainingData)
        self._console.print(f"One look at all {self._images} images before the first step.", highlight=False)
        for number, packed in enumerate(data.first_look()):
            views = self._recipe.views.finish(packed.views.to(module.device, non_blocking=True))
            reseed(self._recipe.seed, FIRST_LOOK, number, trainer.global_rank, module.device)
            seen = 1 + max(right for _, right in self._recipe.views.pairs)
            with torch.no_grad(), trainer.precision_plugin.forward_context():
                outputs = encode(module.objective.encoder, views.images[:seen])
                embedded = matcher.embed(Encoded(views, self._recipe.views.pairs, *outputs), None)
            yield exactly(embedded.projected)
