"""`gmssl explain`: a self-contained page for a run of any method; wrong input is one message, and writes nothing."""

from __future__ import annotations

import base64
import csv
import re
import shlex
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from gmssl.commands.program import app
from gmssl.explaining.page.contents import command_of
from gmssl.explaining.report import Effort
from gmssl.parts.data.dataset import ViewDataset, collate
from gmssl.recipe.recipe import Recipe, load_recipe
from gmssl.system.clock import StageClock
from gmssl.system.table import Table
from gmssl.training.model import make_objective

Refusal = Callable[[Any, str], None]
RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = (
    "data={kind: phantoms, number: 32, size: 32}",
    "views.large_size=32",
    "encoder.channels=[8, 8, 16, 16]",
    "train.batch=16",
)
QUICK = ("--passes", "2", "--pairs", "1", "--bounds", "2")
VOID = {"meta", "img", "source", "br", "link", "input"}


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_run(folder: Path, recipe: Recipe, batches: int = 0) -> Path:
    """A run folder as if training had ended with its initial weights, after forward passes of some batches."""
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(recipe.dump(), encoding="utf-8")
    objective = make_objective(recipe)
    dataset = ViewDataset(recipe.data.images(), recipe.views, recipe.encoder.in_channels, 0)
    for batch in range(batches):  # queues fill
        keys = range(batch * recipe.train.batch, (batch + 1) * recipe.train.batch)
        objective(recipe.views.finish(collate([dataset[key] for key in keys])), None, StageClock())
    weights = {f"objective.{key}": value for key, value in objective.state_dict().items()}
    torch.save({"state_dict": weights, "loops": {}, "global_step": 7}, folder / "last.ckpt")
    (folder / "encoder.safetensors").touch()  # the last file that a training writes
    metrics = Table(folder / "metrics.csv")
    for step in (5, 7):
        metrics.append({"step": step, "epoch": 0, "loss": 3.5 / step, "match_accuracy": 0.2, "duality_gap": None})
    return folder


@pytest.fixture
def small_recipe(settings_of_a_recipe: dict) -> Callable[..., Recipe]:
    """LVM-Med in small, on phantoms or other data."""

    def make(**changes: Any) -> Recipe:
        views = {"kind": "multi_crop", "large_size": 32}
        encoder = {"kind": "timm", "name": "resnet18", "in_channels": 1, "channels": [8, 8, 16, 16]}
        data = {"kind": "phantoms", "number": 32, "size": 32}
        return load_recipe({**settings_of_a_recipe, "views": views, "encoder": encoder, "data": data, **changes})

    return make


def explain(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["explain", *(str(a) for a in arguments)])


class Page(HTMLParser):
    """Refuses what is no well-formed HTML, and collects what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute stands twice in {tag}"
        assert not (tag in ("p", "div", "figure", "table", "ul", "section") and "p" in self.open), f"{tag} in p"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def check(folder: Path) -> Page:
    """What holds of every report."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "base", "form"}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        if tag == "a":
            assert str(attributes["href"])[1:] in ids
        if tag == "th":
            assert attributes["scope"] == "col"
        if tag == "source":
            assert attributes["media"] == "(prefers-color-scheme: dark)"
        if tag == "img":
            assert attributes["alt"], "every picture has a text in its place"
    policy = {a.get("http-equiv"): a["content"] for t, a in page.tags if t == "meta" and "content" in a}
    assert policy["Content-Security-Policy"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    sources = [str(a.get("src") or a.get("srcset")) for t, a in page.tags if t in ("img", "source")]
    inside = {base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True) for source in sources}
    files = {path.read_bytes() for path in folder.glob("*.png")}
    assert inside == files
    assert "url(" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert "nan" not in page.text.lower().split()
    return page


def test_a_page_with_everything(tmp_path: Path, small_recipe: Callable[..., Recipe]) -> None:
    run = make_run(tmp_path / "run", small_recipe())
    done = explain(run, *QUICK)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip().endswith("index.html")
    page = check(run / "explain")
    for words in (
        "in_channels: 1, name: resnet18",
        "95 %",
        "chance",
        "confused",
        "vertices",
        "edges",
        "proven",
        "without noise",
    ):
        assert words.lower() in page.text.lower(), words
    for name in ("accuracy", "curves", "matched", "pair-01", "terms", "scatter", "edges", "solver"):
        assert (run / "explain" / f"{name}.png").is_file(), name
    with (run / "explain" / "mismatches.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        parts = [float(row[name]) for name in ("cosine", "cosine of differences")]
        assert float(row["vertex"]) + float(row["edge"]) == pytest.approx(float(row["all"]), abs=1e-5)
        assert sum(parts) == pytest.approx(float(row["all"]), abs=1e-5)


def test_the_seed_decides(tmp_path: Path, small_recipe: Callable[..., Recipe]) -> None:
    run = make_run(tmp_path / "run", small_recipe())
    folders = [tmp_path / name for name in "abc"]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        done = explain(run, "--out", folder, "--seed", seed, "--passes", 1, "--pairs", 1, "--bounds", 0, "--graphs", 2)
        assert done.exit_code == 0, done.output
    timed = re.compile(r"solver.*\.png|index\.html")
    names = [path.name for path in folders[0].iterdir() if not timed.fullmatch(path.name)]
    assert "mismatches.csv" in names
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    assert (folders[0] / "mismatches.csv").read_bytes() != (folders[2] / "mismatches.csv").read_bytes()


def test_the_page_names_the_command_that_makes_it(tmp_path: Path, small_recipe: Callable[..., Recipe]) -> None:
    images = tmp_path / "my images"
    for number in range(16):
        folder = images / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32), 8 * number, np.uint8)).save(folder / f"{number}.png")
    run = make_run(tmp_path / "run", small_recipe())
    words = [run, "--data", images, "--group", "label", "--graphs", 1, "--passes", 1, "--pairs", 2, "--bounds", 0]
    words += ["--seed", 3, "--out", tmp_path / "page"]
    done = explain(*words)
    assert done.exit_code == 0, done.output
    made_by = re.search(r"Made by\s+(.*?)\s+in \d+ s", check(tmp_path / "page").text)
    assert made_by is not None
    assert shlex.split(made_by[1]) == ["gmssl", "explain", *map(str, words)]


def test_stages_are_told_beside_the_path(tmp_path: Path, small_recipe: Callable[..., Recipe]) -> None:
    run = make_run(tmp_path / "run", small_recipe())
    done = explain(run, *QUICK)
    assert done.stdout == f"{run / 'explain' / 'index.html'}\n"
    told = [line.partition(":")[0] for line in done.stderr.splitlines()]
    assert told == ["opening", "matching", "measuring the solver", "drawing"]


def test_defaults_are_not_in_the_command() -> None:
    assert command_of(Path("runs/a"), Effort(), None, None, None, None) == "gmssl explain runs/a"
    assert command_of(Path("a"), Effort(passes=2), None, None, 4, None) == "gmssl explain a --graphs 4 --passes 2"


def test_names_are_no_markup(tmp_path: Path, small_recipe: Callable[..., Recipe]) -> None:
    for number in range(12):
        folder = tmp_path / "images" / ("<script>alert(1)<", "\"'&amp; $x_1$")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"<img src=x onerror=alert({number})>.png")
    recipe = small_recipe(data={"kind": "folder", "root": str(tmp_path / "images")})
    run = make_run(tmp_path / "<b>run", recipe)
    done = explain(run, *QUICK)
    assert done.exit_code == 0, done.output
    text = (run / "explain" / "index.html").read_text(encoding="utf-8")
    page = check(run / "explain")
    assert "<script" not in text
    assert "<b>" not in text
    assert "<img src=x" not in text
    assert "<script>alert(1)<" in page.text
    assert "\"'&amp; $x_1$" in page.text
    assert (run / "explain" / "groups.png").is_file()


METHODS = {
    "simclr_r18": ("relaxed", True),
    "barlow_twins_r18": ("no single images", False),
    "swav_r18": ("are learnt", False),
    "moco_v2_r18": ("come from earlier batches", False),
    "vicreg_r18": ("copies the target", True),
    "byol_r18": ("copies the target", True),
    "dino_r18": ("are learnt", False),
    "deepcluster_v2_r18": ("are learnt", False),
    "vicregl_r18": ("copies the target", None),
    "lvm_med_as_published_r18": ("edges", True),
    "lvm_med_as_released_r18": ("edges", True),
    "lvm_med_corrected_r18": ("edges", True),
}
OFTEN = {"simclr_r18", "barlow_twins_r18", "swav_r18"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in METHODS]
)
def test_every_method(tmp_path: Path, name: str) -> None:
    extra = {
        "swav_r18": ("vertices.number=8",),
        "dino_r18": ("vertices.number=8",),
        "deepcluster_v2_r18": ("vertices.numbers=[4, 4]",),
        "moco_v2_r18": ("vertices.size=64",),
        "lvm_med_corrected_r18": ("vertices.per_graph=4", "vertices.partitions=4", "graph.neighbours=3"),
    }.get(name, ())
    recipe = load_recipe(RECIPES / f"{name}.yaml", [*SMALL, *extra])
    run = make_run(tmp_path / "run", recipe, 2 if name == "moco_v2_r18" else 0)
    done = explain(run, *QUICK)
    assert done.exit_code == 0, done.output
    page = check(run / "explain")
    words, pairs = METHODS[name]
    assert words in page.text
    if pairs is not None:
        assert (run / "explain" / "pair-01.png").is_file() == pairs


def test_a_report_replaces_an_earlier_one_and_nothing_else(tmp_path: Path, small_recipe: Callable[..., Recipe]) -> None:
    run = make_run(tmp_path / "run", small_recipe())
    out = tmp_path / "out"
    out.mkdir()
    for name in ("index.html", "pair-77.png", "mine.png"):
        (out / name).write_bytes(b"old")
    done = explain(run, "--out", out, "--passes", 1, "--pairs", 0, "--bounds", 0, "--graphs", 1)
    assert done.exit_code == 0, done.output
    names = {path.name for path in out.iterdir()}
    assert "mine.png" in names
    assert not any(name.startswith(("pair-", ".")) for name in names)
    assert b"old" not in (out / "index.html").read_bytes()[:3]


WRONG: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no run": (shutil.rmtree, "run", "there is no run folder"),
    "not finished": (lambda run: (run / "encoder.safetensors").unlink(), "run", "train --resume run"),
    "no checkpoint": (lambda run: (run / "last.ckpt").unlink(), "run", "has no last.ckpt"),
    "damaged": (lambda run: (run / "last.ckpt").write_bytes(b"\x00" * 99), "run", "is refused"),
    "cut": (lambda run: _cut(run / "last.ckpt"), "run", "last.ckpt is"),
    "another model": (lambda run: _change(run, projector={"kind": "mlp", "widths": [5]}), "run", "does not fit"),
    "moved data": (
        lambda run: _change(run, data={"kind": "folder", "root": str(run / "gone")}),
        "run",
        "--data PATH",
    ),
    "few images": (lambda run: _change(run, data={"kind": "phantoms", "number": 3}), "run", "one graph of this run"),
    "wrong data": (lambda run: None, "run --data run/metrics.txt", "--data"),
    "no such group": (
        lambda run: _touch(run / "images" / "a" / "1.png"),
        "run --data run/images --group dataset",
        "--group dataset: no image names its dataset; the data name label",
    ),
    "out is a file": (lambda run: None, "run --out run/recipe.yaml", "is a file; name a folder"),
    "out lies in a file": (lambda run: None, "run --out run/recipe.yaml/deep", "is a file; name a folder"),
}


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _change(run: Path, **changes: object) -> None:
    settings = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    (run / "recipe.yaml").write_text(yaml.safe_dump({**settings, **changes}), encoding="utf-8")


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_input_is_one_message(
    refusal: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_recipe: Callable[..., Recipe], fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    spoil, arguments, message = WRONG[fault]
    run = make_run(Path("run"), small_recipe())
    spoil(run)
    before = sorted(Path().rglob("*"))
    refusal(explain(*arguments.split()), message)
    assert sorted(Path().rglob("*")) == before
