"""Weights of SAM under all names they are found under; timm's image encoder is the oracle of the authors' names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.models.vision_transformer_sam import VisionTransformerSAM

from gmssl.errors import DataError, RecipeError
from gmssl.parts.tasks.prompts import models
from gmssl.parts.tasks.prompts.names import of_encoder, of_sam
from tests.parts.tasks.prompts.small import task

SIDE, WIDTH, HEADS = 64, 32, 8
P = "prompt_encoder."
D = "mask_decoder."
AUTHORS = {
    f"{P}shared_embedding.positional_embedding": f"{P}pe_layer.positional_encoding_gaussian_matrix",
    "prompt_encoder.point_embed.3.weight": "prompt_encoder.point_embeddings.3.weight",
    "prompt_encoder.no_mask_embed.weight": "prompt_encoder.no_mask_embed.weight",
    "prompt_encoder.not_a_point_embed.weight": "prompt_encoder.not_a_point_embed.weight",
    "prompt_encoder.mask_embed.conv1.weight": "prompt_encoder.mask_downscaling.0.weight",
    "prompt_encoder.mask_embed.layer_norm1.bias": "prompt_encoder.mask_downscaling.1.bias",
    "prompt_encoder.mask_embed.conv2.weight": "prompt_encoder.mask_downscaling.3.weight",
    "prompt_encoder.mask_embed.layer_norm2.weight": "prompt_encoder.mask_downscaling.4.weight",
    "prompt_encoder.mask_embed.conv3.bias": "prompt_encoder.mask_downscaling.6.bias",
    "mask_decoder.iou_token.weight": "mask_decoder.iou_token.weight",
    "mask_decoder.transformer.layers.1.layer_norm4.weight": "mask_decoder.transformer.layers.1.norm4.weight",
    "mask_decoder.transformer.layers.1.mlp.lin2.weight": "mask_decoder.transformer.layers.1.mlp.lin2.weight",
    "mask_decoder.transformer.layer_norm_final_attn.bias": "mask_decoder.transformer.norm_final_attn.bias",
    "mask_decoder.upscale_conv1.weight": "mask_decoder.output_upscaling.0.weight",
    "mask_decoder.upscale_layer_norm.weight": "mask_decoder.output_upscaling.1.weight",
    "mask_decoder.upscale_conv2.bias": "mask_decoder.output_upscaling.3.bias",
    f"{D}output_hypernetworks_mlps.2.proj_in.weight": f"{D}output_hypernetworks_mlps.2.layers.0.weight",
    "mask_decoder.output_hypernetworks_mlps.2.layers.0.bias": "mask_decoder.output_hypernetworks_mlps.2.layers.1.bias",
    "mask_decoder.output_hypernetworks_mlps.2.proj_out.bias": "mask_decoder.output_hypernetworks_mlps.2.layers.2.bias",
    "mask_decoder.iou_prediction_head.proj_in.bias": "mask_decoder.iou_prediction_head.layers.0.bias",
    "mask_decoder.iou_prediction_head.layers.0.weight": "mask_decoder.iou_prediction_head.layers.1.weight",
    "mask_decoder.iou_prediction_head.proj_out.weight": "mask_decoder.iou_prediction_head.layers.2.weight",
    "vision_encoder.pos_embed": "image_encoder.pos_embed",
    "vision_encoder.patch_embed.projection.bias": "image_encoder.patch_embed.proj.bias",
    "vision_encoder.layers.1.layer_norm2.bias": "image_encoder.blocks.1.norm2.bias",
    "vision_encoder.layers.0.attn.rel_pos_h": "image_encoder.blocks.0.attn.rel_pos_h",
    "vision_encoder.layers.0.mlp.lin1.weight": "image_encoder.blocks.0.mlp.lin1.weight",
    "vision_encoder.neck.conv2.weight": "image_encoder.neck.2.weight",
    "vision_encoder.neck.layer_norm2.weight": "image_encoder.neck.3.weight",
}
"""Names of transformers and of SAM's authors, from their two repositories: one of each form."""


FORMS = (
    ("vision_encoder.", "image_encoder."),
    ("patch_embed.projection", "patch_embed.proj"),
    ("neck.conv1", "neck.0"),
    ("neck.layer_norm1", "neck.1"),
    ("neck.conv2", "neck.2"),
    ("neck.layer_norm2", "neck.3"),
    ("shared_embedding.positional_embedding", "pe_layer.positional_encoding_gaussian_matrix"),
    ("prompt_encoder.point_embed.", "prompt_encoder.point_embeddings."),
    ("mask_embed.conv1", "mask_downscaling.0"),
    ("mask_embed.layer_norm1", "mask_downscaling.1"),
    ("mask_embed.conv2", "mask_downscaling.3"),
    ("mask_embed.layer_norm2", "mask_downscaling.4"),
    ("mask_embed.conv3", "mask_downscaling.6"),
    ("upscale_conv1", "output_upscaling.0"),
    ("upscale_layer_norm", "output_upscaling.1"),
    ("upscale_conv2", "output_upscaling.3"),
    ("layer_norm", "norm"),
)


def of_authors(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of transformers as the authors' checkpoint has them; checked against the table above."""
    found = {}
    for name, value in weights.items():
        if name.startswith("shared_image_embedding"):
            continue
        for ours, theirs in FORMS:
            name = name.replace(ours, theirs)
        if name.startswith("image_encoder."):
            name = name.replace("layers.", "blocks.")
        if "mlps" in name or "prediction_head" in name:
            name = name.replace("layers.0", "layers.1").replace("proj_in", "layers.0").replace("proj_out", "layers.2")
        found[name] = value
    return found


@pytest.mark.parametrize(("ours", "theirs"), AUTHORS.items())
def test_the_authors_names_become_those_of_transformers(ours: str, theirs: str) -> None:
    assert ours in of_sam({theirs: 1})
    assert set(of_sam({theirs: 1, "pixel_mean": 2})) == set(of_sam({theirs: 1}))
    assert ours in of_sam({f"module.{theirs}": 1})


def test_the_oracle_agrees_with_the_table() -> None:
    assert list(of_authors(dict.fromkeys(AUTHORS, torch.zeros(1)))) == list(AUTHORS.values())


@pytest.fixture
def sam() -> Any:
    torch.manual_seed(0)
    sizes = task(size=SIDE, tiny={"width": WIDTH, "heads": HEADS, "encoder_width": 32, "encoder_heads": 2}).tiny_sizes
    network, _ = models.tiny(sizes, SIDE)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return network.eval()


def outputs(network: Any, side: int = SIDE) -> torch.Tensor:
    images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network(images, input_boxes=torch.tensor([[[5.0, 6, 30, 40]]]), multimask_output=False).pred_masks


def test_a_checkpoint_of_the_authors_tells_its_own_sizes(sam: Any, tmp_path: Path) -> None:
    torch.save(of_authors(sam.state_dict()), tmp_path / "sam.pth")
    network, loaded = models.load(str(tmp_path / "sam.pth"), SIDE)
    assert torch.equal(outputs(network.eval()), outputs(sam))
    assert loaded.tensors == len(sam.state_dict())
    assert not loaded.adapted


def test_a_folder_of_transformers(sam: Any, tmp_path: Path) -> None:
    sam.save_pretrained(tmp_path)
    network, _ = models.load(str(tmp_path), SIDE)
    assert torch.equal(outputs(network.eval()), outputs(sam))


def test_another_image_size_resamples_positions_and_says_so(sam: Any, tmp_path: Path) -> None:
    sam.save_pretrained(tmp_path)
    network, loaded = models.load(str(tmp_path), 2 * SIDE)
    assert outputs(network.eval(), 2 * SIDE).shape[-1] == 2 * SIDE // 4
    assert set(loaded.adapted) == {
        f"vision_encoder.{n}" for n in ("pos_embed", *(f"layers.1.attn.rel_pos_{d}" for d in "hw"))
    }
    assert "made to fit: vision_encoder.pos_embed" in str(loaded)
    table = network.vision_encoder.pos_embed
    pooled = torch.nn.functional.avg_pool2d(table.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert torch.corrcoef(torch.stack([pooled.flatten(), sam.vision_encoder.pos_embed.flatten()]))[0, 1] > 0.9


@pytest.mark.parametrize("fault", ["missing", "unexpected", "reshaped"])
def test_nothing_is_loaded_in_part(sam: Any, tmp_path: Path, fault: str) -> None:
    weights = dict(sam.state_dict())
    name = "mask_decoder.upscale_conv1.weight"
    if fault == "missing":
        del weights[name]
    else:
        weights["extra" if fault == "unexpected" else name] = torch.zeros(3)
    torch.save(of_authors(weights), tmp_path / "sam.pth")
    with pytest.raises(RecipeError, match=r"task.model: .*sam.pth does not fit SAM: 1 .*Give the file of a whole SAM"):
        models.load(str(tmp_path / "sam.pth"), SIDE)


def test_an_encoder_alone_is_no_model(sam: Any, tmp_path: Path) -> None:
    torch.save(of_authors({n: v for n, v in sam.state_dict().items() if "vision" in n}), tmp_path / "vit.pth")
    with pytest.raises(RecipeError, match=r"no checkpoint of SAM.*task.encoder_weights"):
        models.load(str(tmp_path / "vit.pth"), SIDE)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nowhere.pth", "there is no file and no folder nowhere.pth"),
        ("weights/sam.pth", "there is no file and no folder"),
        ("{folder}", "holds no config.json"),
        ("{folder}/model.safetensors", "is damaged"),
    ],
)
def test_models_that_are_not_there(tmp_path: Path, model: str, said: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(RecipeError, match=said):
        models.load(model.format(folder=tmp_path), SIDE)


def test_a_configuration_of_another_network_is_refused(sam: Any, tmp_path: Path) -> None:
    sam.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam2"}))
    with pytest.raises(RecipeError, match="configuration of a 'sam2', not of a 'sam'"):
        models.load(str(tmp_path), SIDE)


def timms() -> VisionTransformerSAM:
    torch.manual_seed(2)
    network = VisionTransformerSAM(
        img_size=SIDE, embed_dim=32, depth=2, num_heads=2, global_attn_indexes=(1,), window_size=4,
        use_rel_pos=True, neck_chans=WIDTH, num_classes=0, init_values=None,
    )  # fmt: skip
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return network.eval()


@pytest.mark.parametrize("prefix", ["", "image_encoder.", "module.image_encoder."])
@pytest.mark.parametrize("perceptron", ["fc", "lin"])
def test_an_image_encoder_under_any_name_computes_what_timms_does(
    sam: Any, tmp_path: Path, prefix: str, perceptron: str
) -> None:
    network = timms()
    weights = {f"{prefix}{name}".replace(".fc", f".{perceptron}"): v for name, v in network.state_dict().items()}
    torch.save(weights, tmp_path / "vit.pth")
    loaded, with_neck = models.load_encoder(sam, tmp_path / "vit.pth")
    images = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(sam.vision_encoder(images).last_hidden_state, network.forward_features(images))
    assert with_neck
    assert (loaded.prefix, loaded.tensors, loaded.left_over) == (prefix, len(weights), ())


def test_an_image_encoder_without_a_neck_leaves_sams(sam: Any, tmp_path: Path) -> None:
    weights = {name: v for name, v in timms().state_dict().items() if not name.startswith("neck.")}
    torch.save({"state_dict": weights | {"head.weight": torch.zeros(2)}}, tmp_path / "vit.pth")
    before = {name: value.clone() for name, value in sam.vision_encoder.neck.state_dict().items()}
    loaded, with_neck = models.load_encoder(sam, tmp_path / "vit.pth")
    assert not with_neck
    assert loaded.left_over == ("head.weight",)
    assert all(torch.equal(value, before[name]) for name, value in sam.vision_encoder.neck.state_dict().items())
    assert torch.equal(sam.vision_encoder.layers[1].mlp.lin1.weight, weights["blocks.1.mlp.fc1.weight"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda w: {n: v for n, v in w.items() if n != "blocks.0.mlp.fc1.weight"},
            "1 of the network's tensors are missing",
        ),
        (lambda w: w | {"blocks.7.norm1.weight": torch.zeros(3)}, "1 are unexpected: layers.7"),
        (lambda w: w | {"blocks.0.norm1.weight": torch.zeros(3)}, r"\(the file has 3, the network 32\)"),
        (
            lambda w: {f"{p}.{n}": v for n, v in w.items() for p in ("student", "teacher")},
            "2, below 'student.', 'teacher.'",
        ),
        (lambda w: {"fc.weight": torch.zeros(3)}, "in it: none"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(sam: Any, tmp_path: Path, change: Any, said: str) -> None:
    torch.save(change(timms().state_dict()), tmp_path / "vit.pth")
    before = {name: value.clone() for name, value in sam.state_dict().items()}
    with pytest.raises(RecipeError, match=said):
        models.load_encoder(sam, tmp_path / "vit.pth")
    assert all(torch.equal(value, before[name]) for name, value in sam.state_dict().items())


def test_the_encoder_of_a_whole_checkpoint_leaves_the_rest(sam: Any) -> None:
    prefix, below, beside = of_encoder(of_authors(sam.state_dict()))
    assert prefix == "image_encoder."
    assert set(below) == set(sam.vision_encoder.state_dict())
    assert {name.partition(".")[0] for name in beside} == {"prompt_encoder", "mask_decoder"}


@pytest.mark.parametrize("package", ["transformers", "monai"])
def test_without_a_library_a_sentence_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(DataError, match=rf"needs the package {package}.*pip install 'gmssl\[sam\]'"):
        task().open([], 3)
