"""What a pass sees: terms sum to the costs, shares to energies, nodes are the images that they come from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from gmssl.explaining.passes import FreshViews, run_passes
from gmssl.explaining.rows import Place, judge_of, tabulate
from gmssl.explaining.run import TrainedRun
from gmssl.explaining.sample import Sample, choose
from gmssl.explaining.watching import Watched, watch
from gmssl.problem import energy, lift, solve
from gmssl.training.model import reseed

Opened = tuple[TrainedRun, Sample, FreshViews]


@pytest.fixture
def opened(untrained: Callable[[str], TrainedRun]) -> Callable[[str], Opened]:
    def of(kind: str) -> Opened:
        run = untrained(kind)
        sample = choose(run.recipe.data.images(), run.recipe, 32, 0)
        return run, sample, FreshViews(run, sample, 0)

    return of


def _watched(opened: Opened, first: int = 0) -> Watched:
    run, sample, views = opened
    batch = views.of(range(first, first + sample.batch), 0)
    return watch(run.objective, batch, reseed(0, 0, 0, 0, torch.device("cpu")))


def test_terms_sum_to_the_costs(opened: Callable[[str], Opened]) -> None:
    run, *_ = found = opened("matched")
    watched = _watched(found)
    problem = watched.step.without_margin()
    for place, costs in (("vertex", problem.costs.vertex), ("edge", problem.costs.edge)):
        total = sum(term.costs for term in watched.terms if term.place == place)
        torch.testing.assert_close(total, costs.double(), atol=1e-5, rtol=1e-5)
    assert [term.name for term in watched.terms] == [
        "cosine", "nearest patches by position", "cosine of differences",
    ]  # fmt: skip
    assert run.objective.training, "the model is left as it was found"


def test_shares_sum_to_the_energy_of_each_matching(opened: Callable[[str], Opened]) -> None:
    run, sample, _ = found = opened("matched")
    watched = _watched(found)
    problem = watched.step.without_margin()
    rows = tabulate(watched, problem, run.recipe.solver, Place(0, 0, 2, sample.batch, run.recipe.views.pairs))
    solution = solve(problem, run.recipe.solver)
    assert problem.target is not None
    truth = lift(problem.target, problem.topology)
    expected = energy(problem.costs, solution.matching) - energy(problem.costs, truth)
    which = rows.problem.unique(return_inverse=True)[1]
    total = torch.zeros(2, dtype=torch.float64).index_add_(0, which, rows.shares.sum(1))
    torch.testing.assert_close(total, expected.double(), atol=1e-4, rtol=1e-4)
    assert (rows.shares[rows.right] == 0).all()
    vertex = solve(problem, run.recipe.solver).matching.vertex
    assert float(rows.right.double().mean()) == pytest.approx(float((vertex * problem.target).sum() / 16))


@pytest.mark.parametrize("kind", ["matched", "both_views", "given"])
def test_nodes_are_the_images_that_they_come_from(opened: Callable[[str], Opened], kind: str) -> None:
    run, sample, _ = found = opened(kind)
    watched = _watched(found, sample.batch)
    judge = judge_of(run.recipe.solver, False)
    place = Place(0, 1, 2, sample.batch, run.recipe.views.pairs)
    rows = tabulate(watched, watched.step.without_margin(), judge, place)
    assert set(rows.image.tolist()) == set(range(sample.batch, 2 * sample.batch))
    assert set(rows.partner.tolist()) <= set(range(sample.batch, 2 * sample.batch))
    assert (rows.partner[rows.right] == rows.image[rows.right]).all()
    assert (rows.partner[~rows.right] != rows.image[~rows.right]).all()
    assert (rows.view != rows.true_view).all()
    assert (rows.partner_view[rows.right] == rows.true_view[rows.right]).all()


def test_a_partner_is_who_the_solver_chose(opened: Callable[[str], Opened]) -> None:
    run, sample, _ = found = opened("matched")
    watched = _watched(found)
    problem, step = watched.step.without_margin(), watched.step
    rows = tabulate(watched, problem, run.recipe.solver, Place(0, 0, 2, sample.batch, run.recipe.views.pairs))
    assert step.arrangement.sources is not None
    right = step.arrangement.sources[1].gather(1, step.relabelling) % sample.batch
    columns = solve(problem, run.recipe.solver).matching.vertex.argmax(2)
    assert rows.partner.tolist() == right.gather(1, columns).flatten().tolist()


@pytest.mark.parametrize(
    ("kind", "images", "partners"),
    [("queue", True, False), ("prototypes", True, False), ("channels", False, False)],
)
def test_what_is_no_image_is_told_apart(
    opened: Callable[[str], Opened], kind: str, images: bool, partners: bool
) -> None:
    run, sample, _ = found = opened(kind)
    watched = _watched(found)
    keys = getattr(run.objective.main.vertices, "keys", None)
    if keys is not None:  # the queue knows the queries by heart, so that they prefer it to their own keys
        keys[: sample.batch] = torch.nn.functional.normalize(watched.step.nodes[0][0], dim=1)
        watched = _watched(found)
    place = Place(0, 0, 2, sample.batch, run.recipe.views.pairs)
    rows = tabulate(watched, watched.step.without_margin(), run.recipe.solver, place)
    assert bool((rows.image >= 0).all()) == images
    assert not rows.right.all()
    assert bool((rows.partner[~rows.right] >= 0).all()) == partners


def test_edges_alone_and_vertices_alone(opened: Callable[[str], Opened]) -> None:
    run, sample, _ = found = opened("matched")
    watched = _watched(found)
    problem = watched.step.without_margin()
    rows = tabulate(watched, problem, run.recipe.solver, Place(0, 0, 2, sample.batch, run.recipe.views.pairs))
    assert problem.target is not None
    for graph in range(2):
        _, columns = linear_sum_assignment(problem.costs.vertex[graph].double().numpy())
        expected = problem.target[graph].argmax(1) == torch.from_numpy(columns)
        assert rows.vertex_alone[rows.problem == graph].tolist() == expected.tolist()


def test_passes_match_the_same_graphs_with_other_views(opened: Callable[[str], Opened]) -> None:
    run, sample, views = opened("matched")
    told: list[int] = []
    seen = run_passes(run, sample, views, 2, 3, told.append)
    assert told == [1, 2, 3, 4]
    first, second = (seen.rows.select(seen.rows.pass_ == p) for p in (0, 1))
    members = lambda rows: {(g, i) for g, i in zip(rows.graph.tolist(), rows.image.tolist(), strict=True)}  # noqa: E731
    assert members(first) == members(second)
    assert len(set(seen.rows.problem.tolist())) == 8
    assert not torch.equal(first.shares, second.shares)
    again = run_passes(run, sample, FreshViews(run, sample, 0), 2, 3, told.append)
    assert torch.equal(again.rows.shares, seen.rows.shares)
    assert sum(len(step.problem.costs.vertex) for step in seen.steps) == 4  # whole batches


def test_views_ahead_are_the_views(opened: Callable[[str], Opened]) -> None:
    _, sample, views = opened("matched")
    asked = [(pass_, range(start, start + sample.batch)) for pass_ in range(2) for start in sample.batches]
    found = list(views.ahead(asked))
    assert len(found) == len(asked)
    for (pass_, images), batch in zip(asked, found, strict=True):
        for ours, theirs in zip(batch.images, views.of(images, pass_).images, strict=True):
            assert torch.equal(ours, theirs)
