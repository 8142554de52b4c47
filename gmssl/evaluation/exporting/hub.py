"""A folder as the Hugging Face hub and timm read it, with a model card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import gmssl
from gmssl.errors import DataError, RecipeError
from gmssl.evaluation.encoders import FrozenEncoder
from gmssl.evaluation.runs import run_recipe
from gmssl.parts.encoders.timm import Timm
from gmssl.recipe.recipe import Recipe


def write_hub(encoder: FrozenEncoder, path: Path, run: Path, results: Sequence[Path]) -> None:
    """Weights, configuration and card; `timm.create_model("local-dir:PATH", pretrained=True)` opens it.

    Raises:
        RecipeError: the encoder is none of timm's.
        DataError: a file of results cannot be read.
    """
    import timm
    from timm.models import save_for_hf

    recipe = run_recipe(run)
    settings = recipe.encoder
    if not isinstance(settings, Timm):
        raise RecipeError(f"the encoder {settings.kind!r} is none of timm's, which alone open such folders. Use onnx.")
    network: Any = encoder.encoder.network
    given = {
        "channels": settings.channels,
        "output_stride": settings.output_stride,
        "img_size": settings.image_size,
        "dynamic_img_size": settings.any_image_size or None,
    }
    arguments = {name: value for name, value in given.items() if value is not None}
    network.pretrained_cfg = network.pretrained_cfg | {
        "input_size": (encoder.in_channels, encoder.image_size, encoder.image_size),
        "mean": encoder.mean,
        "std": encoder.std,
        "num_classes": 0,
        "license": "",
    }
    for foreign in ("test_input_size", "origin_url", "paper_ids", "hf_hub_id", "tag"):  # of timm's own weights
        network.pretrained_cfg.pop(foreign, None)
    save_for_hf(network, str(path), model_config={}, model_args={**arguments, "in_chans": encoder.in_channels})
    (path / "README.md").write_text(card(recipe, encoder, _tables(results)), encoding="utf-8")
    (path / "recipe.yaml").write_text(recipe.dump(), encoding="utf-8")
    again = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
    with torch.no_grad():
        images = torch.rand(1, encoder.in_channels, encoder.image_size, encoder.image_size)
        torch.testing.assert_close(again(images), network.eval()(images))


def card(recipe: Recipe, encoder: FrozenEncoder, tables: str) -> str:
    """The model card: what it is, how it was made, how to load it, and what it scored."""
    data = recipe.data.model_dump(mode="json")
    place = next((str(data[key]) for key in ("path", "root") if data.get(key)), data["kind"])
    normalised = f"mean {list(encoder.mean or ())}, standard deviation {list(encoder.std or ())}"
    return f"""---
library_name: timm
tags: [image-feature-extraction, self-supervised, medical-imaging, gmssl]
license: other
license_name: unknown
---

# {recipe.encoder.model_dump().get("name", recipe.encoder.kind)}, pre-trained with gmssl {gmssl.__version__}

An encoder without a classifier, pre-trained by contrastive learning as graph matching; `recipe.yaml` is all of it.

| | |
|---|---|
| protocol | {recipe.protocol or "own"} |
| data | {data["kind"]} `{place}` |
| epochs, batch | {recipe.train.epochs}, {recipe.train.batch} |
| images | {encoder.in_channels} channel(s), {encoder.image_size} pixels, {normalised} of pixels in [0, 1] |
| licence | **to be stated**: that of the weights follows from those of the data they were trained on |

```python
import timm

encoder = timm.create_model("local-dir:THIS_FOLDER", pretrained=True)  # or hf-hub:REPO
```

## Results

{tables or "None were given to the export."}
"""


def _tables(results: Sequence[Path]) -> str:
    """Main scores of files of `gmssl evaluate --json`, as Markdown."""
    rows = []
    for path in results:
        try:
            found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            for one in (found, *found["beside"]):
                score = one["scores"][one["main"]]
                spread = "" if score["deviation"] is None else f" ± {score['deviation']:.4f}"
                rows.append(
                    f"| {one['benchmark']} | {one['encoder']['name']} | {one['main']} | {score['mean']:.4f}{spread} |"
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"--results {path} holds no results ({type(error).__name__}: {error}). Give files of `gmssl evaluate "
                "--json`."
            ) from None
    return (
        "\n".join(["| benchmark | encoder | score | mean ± deviation |", "|---|---|---|---:|", *rows]) if rows else ""
    )
