"""The measures of gradient estimates: known answers, and what theory says of the estimators."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import gmssl
from gmssl.benchmarking import estimators as module
from gmssl.benchmarking.estimator_picture import draw
from gmssl.benchmarking.estimator_quality import MEASURES, Landscape, estimates, judge
from gmssl.benchmarking.estimator_tables import estimator_tables
from gmssl.benchmarking.estimators import contestants, interval, problems
from gmssl.benchmarking.expected_loss import expected_loss
from gmssl.cli import app
from gmssl.registry import kinds

TEMPERATURE = 0.7


@pytest.fixture(scope="module")
def landscape() -> Landscape:
    problem = problems(3, 3, seed=0, edges=True)
    exact = expected_loss(problem, TEMPERATURE, 20_000, torch.Generator().manual_seed(0))
    return Landscape(problem, exact, TEMPERATURE, 20_000, seed=0)


def test_the_exact_gradient_is_perfect_at_any_scale(landscape: Landscape) -> None:
    g = landscape.exact.gradient
    for scale in (1.0, 5.0):
        quality = judge(scale * g[:, None].expand(-1, 4, -1), landscape)
        assert torch.allclose(quality.bias, torch.full_like(quality.bias, scale - 1), atol=0.02)
        assert float(quality.direction.max()) < 0.02
        assert float(quality.variance.max()) == 0
        assert float(quality.cosine.min()) > 0.99
        assert (quality.aligned == 1).all()
        assert (quality.descent == 1).all()
        assert (quality.zero == 0).all()


def test_a_gradient_of_the_wrong_sign_and_none_at_all(landscape: Landscape) -> None:
    g = landscape.exact.gradient[:, None]
    wrong = judge(-g.expand(-1, 4, -1), landscape)
    assert (wrong.descent == 0).all()
    assert (wrong.direction == 1).all()
    none = judge(0 * g.expand(-1, 4, -1), landscape)
    assert (none.zero == 1).all()
    assert (none.cosine == 0).all()
    assert torch.allclose(none.bias, torch.ones(len(g), dtype=torch.float64), atol=0.02)


def test_white_noise_around_the_truth_is_variance_and_no_bias(landscape: Landscape) -> None:
    g = landscape.exact.gradient[:, None]
    noise = torch.randn(len(g), 1000, g.shape[2], generator=torch.Generator().manual_seed(1)) * g.norm() / 10
    quality = judge(g + noise, replace(landscape, draws=16))  # descent is no matter here
    expected = (noise.square().sum(2).mean(1) / g.square().sum(2)[:, 0]).double()
    assert torch.allclose(quality.variance, expected, rtol=0.04)
    assert float((quality.bias / expected.sqrt()).max()) < 0.06


def test_the_score_function_has_no_bias(landscape: Landscape) -> None:
    """Berthet et al.: unbiased for losses linear in the matching, such as Hamming's."""
    noise = {"kind": "gumbel", "temperature": TEMPERATURE}
    estimator = gmssl.part("estimator", "perturbed", samples=8, noise=noise)
    drawn = estimates(
        estimator, gmssl.part("solver", "exhaustive"), landscape.problem, 8_000, torch.Generator().manual_seed(2)
    )
    g, mean = landscape.exact.gradient, drawn.mean(1)
    # ‖m − g‖² is, without bias, about the sum of the two variances.
    expected = drawn.var(1).sum(1) / drawn.shape[1] + landscape.exact.error.square()
    assert ((mean - g).square().sum(1) < 2 * expected).all()


def test_beyond_some_strength_the_direction_of_imle_stays_the_same() -> None:
    """Bounded affinities: the target problem's optimum is the truth, and the estimate (x* − z) / λ."""
    problem = problems(4, 3, seed=0, edges=True)
    drawn = {
        strength: estimates(
            gmssl.part("estimator", "imle", strength=strength, noise={"kind": "gumbel", "temperature": 0.2}),
            gmssl.part("solver", "exhaustive"), problem, 16, torch.Generator().manual_seed(0),
        )
        for strength in (20.0, 80.0)
    }  # fmt: skip
    assert torch.allclose(drawn[20.0], 4 * drawn[80.0])
    assert bool(drawn[80.0].any())


def test_every_kind_takes_part() -> None:
    both = {c.kind for edges in (True, False) for c in contestants(kinds("estimator"), 0.3, edges)}
    assert both == set(kinds("estimator"))
    assert "exact" not in {c.kind for c in contestants(kinds("estimator"), 0.3, edges=True)}


def test_intervals() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert math.isclose(found.high or 0, 2 + 4.302653 / math.sqrt(3), rel_tol=1e-6)
    assert interval([]).high is None


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEMPERATURES", (0.5,))
    monkeypatch.setattr(module, "_QUICK_DRAWS", 64)


def test_the_command_writes_all_files(tmp_path: Path, few: None) -> None:
    names = {option: tmp_path / name for option, name in (("out", "o.json"), ("plot", "p.png"), ("markdown", "m.md"))}
    options = [word for option, path in names.items() for word in (f"--{option}", str(path))]
    arguments = ["bench", "estimators", "--quick", "--n", "3", "--estimator", "imle", "--estimator", "exact"]
    done = CliRunner().invoke(app, [*arguments, *options])
    assert done.exit_code == 0, done.output
    written = json.loads(names["out"].read_text(encoding="utf-8"))
    assert {row["estimator"] for row in written["rows"]} == {"imle", "exact"}
    assert all(set(row["measures"]) == set(MEASURES) for row in written["rows"])
    assert "| imle λ=80 S=8 |" in names["markdown"].read_text(encoding="utf-8")
    assert names["plot"].read_bytes().startswith(b"\x89PNG")
    assert "nan" not in done.output


def test_pictures_and_tables_agree(few: None) -> None:
    report = module.compare_estimators([2], 2, 4, ["identity", "imle"], 0, True, "command", lambda _: None)
    assert [grid.title for grid in estimator_tables(report)] == [
        f"{name}, Gumbel noise of temperature 0.5" for name in ("Second order", "Vertices only")
    ]
    panels = draw(report).axes
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [
        row[0] for row in estimator_tables(report)[0].rows
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--estimator", "imlé"), "there is no such estimator; there are aimle"),
        (("--out", "."), "--out . cannot be written"),
        (("--plot", "plot.pdf"), ".png"),
    ],
)
def test_wrong_input_is_one_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["bench", "estimators", *arguments])
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("wrong", [("--n", "1"), ("--n", "6"), ("--draws", "1"), ("--instances", "1")])
def test_numbers_out_of_range(wrong: tuple[str, str]) -> None:
    done = CliRunner().invoke(app, ["bench", "estimators", *wrong])
    assert done.exit_code == 2
    assert f"Invalid value for '{wrong[0]}'" in done.stderr
