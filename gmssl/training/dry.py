"""One tiny step of a recipe, to see that its parts work together before a long run."""

from __future__ import annotations

from time import perf_counter

from gmssl.errors import DataError
from gmssl.lazy import torch
from gmssl.parts.data.groups import grouped
from gmssl.recipe.recipe import Recipe
from gmssl.recipe.statistics import resolved
from gmssl.training.plan import counted, probe_images, refuse_shortage


def dry_run(recipe: Recipe) -> str:
    """Run forward, backward and one optimiser step on the CPU, with the recipe's own parts and its first images.

    The batch is cut to two graphs' worth of images, or one; nothing is written.

    Returns:
        One sentence on what was done.

    Raises:
        GmsslError: whatever would stop a training at its first step, such as a missing data folder.
    """
    from gmssl.parts.data.dataset import ViewDataset, collate
    from gmssl.system.clock import StageClock
    from gmssl.training.model import make_objective, reseed

    recipe = resolved(recipe)
    images = recipe.data.images()
    refuse_shortage(recipe, len(images))
    recipe.balance.length(grouped(images, recipe.balance.fact))
    probe_images(recipe)
    batch = _smallest_batch(recipe, len(images))
    start = perf_counter()
    objective = make_objective(recipe)
    optimiser = recipe.optimiser.build(p for p in objective.parameters() if p.requires_grad)
    dataset = ViewDataset(images, recipe.views, recipe.encoder.in_channels, recipe.seed)
    cpu = torch.device("cpu")
    views = recipe.views.finish(collate([dataset[key] for key in range(batch)]))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.train.precision == "bfloat16"):
        step = objective(views, reseed(recipe.seed, 0, 0, 0, cpu), StageClock())
    step.loss.backward()
    optimiser.step()
    weights = sum(p.numel() for p in objective.parameters())
    graphs, n, m = step.problem.costs.vertex.shape
    return (
        f"Dry run: one step on {batch} of {len(images)} images ({graphs} graph pair(s) of {n}×{m} nodes, {weights:,} "
        f"weights) took {perf_counter() - start:.1f} s on the CPU; loss {step.loss.item():.4f}."
    )


def _smallest_batch(recipe: Recipe, images: int) -> int:
    """The number of images that make two graphs if there are so many, else one graph."""
    largest = min(recipe.train.batch_per_step, images)
    legal = next((b for b in range(1, largest + 1) if not any(m.vertices.fault(b) for _, m in recipe.matchings)), None)
    if legal is None:
        raise DataError(
            f"data: {counted(images)}, too few for one step; `vertices` asks for more. Add images, or make graphs "
            "smaller, or partitions fewer, there."
        )
    return min(2 * legal, largest)
