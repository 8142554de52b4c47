"""What can go wrong in a sweep and is known before its first run: images, devices, encoders, and judges that differ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from gmssl.errors import DataError, RecipeError, TrainingError
from gmssl.interfaces.data import Images
from gmssl.interfaces.encoder import Encoder
from gmssl.recipe.recipe import Recipe
from gmssl.sweeping.cells import Cell
from gmssl.sweeping.labelled import LabelledSet


def refuse_unplannable(cells: Sequence[Cell], elsewhere: bool = False) -> None:
    """Images and devices of each cell, listed once for cells that agree in them.

    Args:
        cells: to be trained.
        elsewhere: whether that happens on other machines, whose devices are not known here.

    Raises:
        DataError, TrainingError: as `make_plan`, with the cell.
    """
    from gmssl.training.plan import make_plan

    seen = set()
    for cell in cells:
        recipe = cell.recipe
        key = repr(
            [
                part.model_dump(mode="json") if part else None
                for part in (recipe.data, recipe.train, recipe.probe, *recipe.loggers)
            ]
        )
        if key in seen:
            continue
        seen.add(key)
        with _naming(cell):
            make_plan(_on_any_machine(recipe) if elsewhere else recipe)


def _on_any_machine(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"accelerator": "cpu"})})


def refuse_unbuildable(cells: Sequence[Cell]) -> None:
    """Encoders of all cells, each tried once: only the library that builds them knows their names and settings.

    Raises:
        RecipeError: as `try_building`, with the cell.
    """
    from gmssl.training.model import try_building

    tried = []
    for cell in cells:
        encoder = _without_weights(cell.recipe.encoder)
        if encoder in tried:
            continue
        tried.append(encoder)
        with _naming(cell):
            try_building(encoder)


def _without_weights(encoder: Encoder) -> Encoder:
    """No download, and no file is read; one that is not there stays named, and is refused."""
    from gmssl.evaluation.runs import random_weights

    weights = getattr(encoder, "weights", None)
    missing = isinstance(weights, Path) and not weights.is_file()
    return random_weights(encoder).model_copy(update={"weights": weights} if missing else {})


@contextlib.contextmanager
def _naming(cell: Cell) -> Iterator[None]:
    try:
        yield
    except (DataError, RecipeError, TrainingError) as error:
        raise type(error)(f"{cell.name}: {error}") from None


def refuse_other_probes(cells: Sequence[Cell]) -> None:
    """The kNN probe is what cells are compared by, so it must not be among the settings that differ.

    Raises:
        RecipeError: probes with other images, neighbours or folds.
    """
    probes = [(cell, probe_of(cell)) for cell in cells]
    first, own = probes[0]
    for cell, probe in probes:
        if probe != own:
            raise RecipeError(
                f"the probes of {first.name} and {cell.name} differ in data, neighbours or folds, so that their "
                "accuracies say nothing about the settings; take `probe` out of the grid (probe.every may vary), or "
                "give all recipes the same one, or none, as with --set probe=null."
            )


def probe_of(cell: Cell) -> str | None:
    """What decides the accuracy of a cell's probe besides the encoder; None where there is no probe."""
    probe = cell.recipe.probe
    return None if probe is None else repr((probe.data.model_dump(mode="json"), probe.neighbours, probe.folds))


def refuse_unfit_evaluation(cells: Sequence[Cell], judged: LabelledSet) -> None:
    """The images that runs will be evaluated on.

    Raises:
        DataError: no images, no labels, a single class, too few images for the folds, or labels that only test images
            bear.
        RecipeError: cells that would be evaluated on different images.
    """
    from gmssl.evaluation.folds import split
    from gmssl.evaluation.selection import class_names, open_source

    images = _own_images(cells) if judged.path is None else open_source(judged.path)
    labelled = [index for index, record in enumerate(images.records) if record.label is not None]
    names = class_names(images.records, labelled, judged.place)
    if judged.test is not None:
        strange = {record.label for record in open_source(judged.test).records} - {None, *names}
        if strange:
            raise DataError(
                f"--test {judged.test}: some images bear the label {min(map(str, strange))!r}, which no image of "
                f"{judged.place} bears; there are {', '.join(names)}. Name the classes of both sets alike."
            )
        return
    records = [images.records[index] for index in labelled]
    try:
        split([names.index(str(r.label)) for r in records], [r.patient for r in records], judged.folds, 0)
    except DataError as error:
        raise DataError(f"{judged.place}: {error}") from None


def _own_images(cells: Sequence[Cell]) -> Images:
    """Those that `gmssl evaluate` takes by itself: of the probe, else of the training."""
    sources = [cell.recipe.probe.data if cell.recipe.probe else cell.recipe.data for cell in cells]
    for cell, source in zip(cells, sources, strict=True):
        if source != sources[0]:
            raise RecipeError(
                f"{cells[0].name} and {cell.name} have different images, so that --evaluate would judge them on "
                "different test sets; name labelled images for all with --data."
            )
    return sources[0].images()
