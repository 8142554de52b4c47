from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gmssl.downstream.encoders import choose, fingerprint
from gmssl.downstream.recipe import load_benchmark
from gmssl.downstream.results import Result, read_results, to_json
from gmssl.downstream.running import Told, run_benchmark
from gmssl.errors import DataError, GmsslError, RecipeError
from gmssl.interfaces.registry import part

Settings = dict[str, object]

UNKNOWN = {"table": "classification", "data": "Brain", "metric": "accuracy"}


def judge(settings: Settings, out: Path, *encoders: str, listener: object = None) -> list[Result]:
    listen = listener or (lambda told: None)
    return run_benchmark(load_benchmark(settings), "blobs", encoders, out, listen)  # type: ignore[arg-type]


def scores(results: list[Result]) -> list[object]:
    return [(one.scores, one.per_site, one.clean) for one in results]


def test_a_benchmark_is_scored_by_seed_and_site(settings: Settings, tmp_path: Path) -> None:
    (result,) = judge(settings, tmp_path, "random")
    accuracy = result.scores["accuracy"]
    assert list(accuracy.per_seed) == ["0", "1"]
    assert set(result.per_site) == {"north", "south"}
    assert result.data.sites == {"north": 4, "south": 4}
    assert (result.data.cases, result.data.patients, result.data.test) == (24, 12, 8)
    whole = json.loads(to_json([result]))
    assert whole["scores"]["accuracy"]["per_site"]["north"]["per_seed"].keys() == {"0", "1"}
    (tmp_path / "result.json").write_text(to_json([result]))
    assert read_results(tmp_path / "result.json") == [result]
    assert (result.classes, result.higher_is_better) == (("bright", "dark"), True)
    assert result.data.learnt_sites == {"north": 8, "south": 8}
    assert result.protocol["training"]["epochs"] == 3  # type: ignore[index, call-overload]
    fits = [Path(folder) for folder in result.fits]
    about = [json.loads((folder / "fit.json").read_text()) for folder in fits]
    assert [one["seed"] for one in about] == [0, 1]
    assert set(about[0]["patients"].values()) == {"p8", "p9", "p10", "p11"}
    rows = json.loads((fits[1] / "rows.json").read_text())["rows"]
    found = part("task", "classification", size=32).summarise(rows, result.classes)
    assert found["accuracy"] == accuracy.per_seed["1"]


def test_pictures_are_drawn_or_not_and_change_nothing(settings: Settings, tmp_path: Path) -> None:
    one_seed = {**settings, "seeds": [0]}
    drawn = judge(one_seed, tmp_path / "drawn", "random")
    bare = judge({**one_seed, "pictures": False}, tmp_path / "bare", "random")
    assert scores(drawn) == scores(bare)
    assert [len(list((tmp_path / name).glob("fits/*/pictures/*.png"))) > 0 for name in ("drawn", "bare")] == [
        True,
        False,
    ]


def test_equal_fits_are_read_and_changed_ones_are_not(settings: Settings, tmp_path: Path) -> None:
    heard: list[Told] = []
    first = judge(settings, tmp_path, "random", listener=heard.append)
    assert {told.epoch for told in heard} == {-1, 0, 1, 2}
    heard.clear()
    assert scores(judge(settings, tmp_path, "random", listener=heard.append)) == scores(first)
    assert {told.epoch for told in heard} == {2}
    heard.clear()
    judge(settings | {"seeds": [1, 2]}, tmp_path, "random", listener=heard.append)
    assert [told.seed for told in heard if told.epoch == -1] == [2]
    heard.clear()
    judge(
        settings | {"task": {"kind": "classification", "size": 32, "hidden": [4]}},
        tmp_path,
        "random",
        listener=heard.append,
    )
    assert [told.seed for told in heard if told.epoch == -1] == [0, 1]


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_encoder_is_left_as_it_is(settings: Settings, tmp_path: Path, frozen: bool) -> None:
    seen = []

    def listen(told: Told) -> None:
        seen.append(told.epoch)

    benchmark = load_benchmark(
        settings | {"training": {"epochs": 2, "batch": 5, "frozen": frozen, "accelerator": "cpu"}, "seeds": [0]}
    )
    chosen = choose("random", 32, benchmark.encoder)
    backbone = chosen.backbone(0, 32, frozen)
    assert backbone is not None
    before = fingerprint(backbone)
    from gmssl.downstream.cohort import listed
    from gmssl.downstream.fitting import Fit, run_fit
    from gmssl.downstream.splitting import folds_of, parts_of

    data = listed(benchmark.cases.cases())
    (fold,) = folds_of(data.cases, benchmark.split, data.images)
    opened = benchmark.task.open(data.cases, 1)
    fit = Fit(opened, benchmark.training, fold, parts_of(data.cases, fold, benchmark.split, 0), 0, tmp_path)
    run_fit(fit, backbone, lambda epoch: None)
    assert (fingerprint(backbone) == before) is frozen  # weights and every buffer


def test_layers_nearer_to_the_input_learn_more_slowly() -> None:
    from gmssl.downstream.module import _decay

    backbone = choose("random", 32, part("encoder", "timm", name="resnet18", channels=[8, 8, 8, 8])).backbone(
        0, 32, False
    )
    assert backbone is not None
    head = torch.nn.Linear(8, 2)
    optimiser = torch.optim.SGD([*backbone.parameters(), *head.parameters()], lr=1.0)
    _decay(optimiser, backbone, 0.5)
    rate = {id(weight): group["lr"] for group in optimiser.param_groups for weight in group["params"]}
    layers = backbone.layers()
    assert [rate[id(layer[0])] for layer in layers] == [0.5 ** (len(layers) - n) for n in range(len(layers))]
    assert rate[id(head.weight)] == 1.0
    assert len(rate) == len([*backbone.parameters(), *head.parameters()])


def test_encoders_have_names_for_tables(settings: Settings, tmp_path: Path) -> None:
    results = judge(settings | {"seeds": [0]}, tmp_path, "untrained=random", "other one=timm:resnet18@random")
    assert [one.encoder.name for one in results] == ["untrained", "other one"]


def test_an_encoder_for_each_seed(settings: Settings, tmp_path: Path) -> None:
    """What is scored for a seed is the encoder of that seed, and changing one changes only its fits."""
    encoder = part("encoder", "timm", name="resnet18", in_channels=1, channels=[8, 8, 8, 16])

    def write(place: int, weights: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(weights)
            state = encoder.build().network.state_dict()
        save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / f"{place}.safetensors")

    for seed in (0, 1):
        write(seed, seed)
    several = f"ours=file:{tmp_path}/{{seed}}.safetensors"
    (found,) = judge(settings, tmp_path, several)
    for seed in (0, 1):
        (alone,) = judge(settings | {"seeds": [seed]}, tmp_path / "alone", f"file:{tmp_path}/{seed}.safetensors")
        assert alone.scores["auroc"].per_seed[str(seed)] == found.scores["auroc"].per_seed[str(seed)]
    write(1, 5)
    (changed,) = judge(settings, tmp_path, several)
    assert [one == other for one, other in zip(found.fits, changed.fits, strict=True)] == [True, False]
    assert found.encoder.fingerprint != changed.encoder.fingerprint
    with pytest.raises(GmsslError, match=r"2\.safetensors"):
        judge(settings | {"seeds": [0, 1, 2]}, tmp_path, several)


def test_learning_works(settings: Settings, tmp_path: Path) -> None:
    training = {"epochs": 12, "batch": 8, "optimiser": {"kind": "adam", "learning_rate": 0.01}, "accelerator": "cpu"}
    (result,) = judge(settings | {"training": training, "seeds": [0]}, tmp_path, "random")
    assert result.scores["accuracy"].mean == 1.0


def test_copies_in_the_test_set_are_told(settings: Settings, pictures: Path, tmp_path: Path) -> None:
    table = (pictures / "index.csv").read_text()
    (tmp_path / "index.csv").write_text(table + "00.png,dark,p99,test,north\n")
    cases = {
        "kind": "table",
        "path": str(tmp_path / "index.csv"),
        "root": str(pictures),
        "label": "label",
        "patient": "patient",
    }
    cases["name"] = "{path} {split}"
    (result,) = judge(settings | {"cases": cases, "seeds": [0]}, tmp_path, "random")
    assert result.data.leaked == 1
    assert result.clean is not None


@pytest.mark.parametrize(
    ("change", "encoder", "message"),
    [
        ({}, "resnet18", "none of the forms RUN, timm:NAME"),
        ({"encoder": None}, "random", "the benchmark names no `encoder`"),
        ({}, "timm:resnet999@random", "no model 'resnet999'"),
        ({}, "own", "no network of its own"),
        ({"split": {}}, "random", "give exactly one of test, folds, leave_out"),
        ({"training": {"frozen": True, "layer_decay": 0.5}}, "random", "layer_decay is for encoders that train"),
        ({"seeds": [1, 1]}, "random", "are no seeds"),
        ({"published": [UNKNOWN]}, "random", "there is none named 'Brain'.*known are Brain Tumor, fine-tuned"),
        ({"task": {"kind": "classification", "classes": ["dark", "grey"]}}, "random", "has the label 'bright'"),
    ],
)  # fmt: skip
def test_faults_are_told_before_anything_is_trained(
    settings: Settings, tmp_path: Path, change: Settings, encoder: str, message: str
) -> None:
    with pytest.raises(GmsslError, match=message):
        judge(settings | change, tmp_path / "out", encoder)
    assert not (tmp_path / "out").exists()


def test_where_to_get_the_data_is_told(settings: Settings, tmp_path: Path) -> None:
    cases = {"kind": "table", "path": str(tmp_path / "lost.csv")}
    with pytest.raises(DataError, match=r"no file .*lost.csv.*How to get the data: from its authors"):
        judge(settings | {"cases": cases, "obtain": "from its authors"}, tmp_path, "random")


def test_a_loss_that_is_not_finite_ends_the_run(settings: Settings, tmp_path: Path) -> None:
    training = {"epochs": 3, "batch": 5, "optimiser": {"kind": "adam", "learning_rate": 1e30}, "accelerator": "cpu"}
    with pytest.raises(GmsslError, match=r"the loss is .*learning_rate"):
        judge(settings | {"training": training, "seeds": [0]}, tmp_path, "random")


_SCRIPT = """
import json, sys
from pathlib import Path
from gmssl.downstream.recipe import load_benchmark
from gmssl.downstream.running import run_benchmark
settings, out = json.loads(sys.argv[1]), Path(sys.argv[2])
run_benchmark(load_benchmark(settings), "blobs", ["random"], out, lambda told: print(told.seed, told.epoch, flush=True))
"""


@pytest.mark.slow
def test_a_killed_benchmark_goes_on_bit_for_bit(settings: Settings, tmp_path: Path) -> None:
    settings = settings | {
        "training": {"epochs": 6, "batch": 5, "accelerator": "cpu"},
        "task": {"kind": "classification", "size": 32, "dropout": 0.3, "augmentation": {"flip": 0.5, "rotation": 10}},
    }
    whole = judge(settings, tmp_path / "whole", "random")
    command = [sys.executable, "-c", _SCRIPT, json.dumps(settings), str(tmp_path / "killed")]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    for stop in ("0 1", "0 4", "1 2"):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip() == stop:
                    time.sleep(0.01)
                    process.send_signal(signal.SIGKILL)
                    break
    assert scores(judge(settings, tmp_path / "killed", "random")) == scores(whole)
    for one in (tmp_path / "whole" / "fits").iterdir():
        assert (one / "rows.json").read_bytes() == (tmp_path / "killed" / "fits" / one.name / "rows.json").read_bytes()


def test_a_benchmark_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe at"):
        load_benchmark(tmp_path / "lost.yaml")
