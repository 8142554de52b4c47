"""Whether a weights file fits the encoder, for `gmssl check`; another process, which may import torch, finds out.

`check` itself imports neither torch nor timm, so that it answers within a second where no pretrained weights are named.
Only the encoder's own library knows the names of its tensors, and only where a file or a set normalisation has to be
compared is it worth its seconds. Nearly all of them are the import of timm (a third torch, half torchvision, which timm
cannot do without); the network is built without memory, and the process itself costs a few tenths.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gmssl.errors import RecipeError

if TYPE_CHECKING:
    from gmssl.interfaces.encoder import Encoder
    from gmssl.interfaces.views import Views
    from gmssl.recipe.recipe import Recipe

_ASK = "from gmssl.commands.common.pretrained import answer; answer()"


def pretrained_weights(recipe: Recipe) -> tuple[dict[str, str], list[str]]:
    """What a run would load, as names and words, and settings that contradict it; nothing where that need not be asked.

    Raises:
        RecipeError: the file is damaged, or of another network.
    """
    encoder = recipe.encoder
    file = _file(recipe)
    waiting = recipe.views.statistics(encoder.in_channels) is None
    if not encoder.begins_pretrained or (file is None and waiting) or (file is not None and not file.is_file()):
        return {}, []  # nothing to load or compare, or told already as a file that is not on this machine
    if file is not None and file.suffix == ".safetensors":
        _refuse_damaged(file)
    asked = {"encoder": encoder.model_dump(mode="json"), "views": recipe.views.model_dump(mode="json")}
    done = subprocess.run([sys.executable, "-c", _ASK], input=json.dumps(asked), capture_output=True, text=True)
    try:
        found = json.loads(done.stdout.rpartition("\n")[2])
    except ValueError:
        reason = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[-1]
        return {}, [f"encoder.weights: whether they fit could not be tried ({reason}); `--dry-run` shows all of it."]
    if found["fault"]:
        raise RecipeError(found["fault"])
    return found["told"], found["differences"]


def _file(recipe: Recipe) -> Path | None:
    weights = getattr(recipe.encoder, "weights", None)
    return weights if isinstance(weights, Path) else None


def _refuse_damaged(file: Path) -> None:
    from gmssl.parts.encoders.weights import UnfitError, header

    try:
        header(file)
    except UnfitError as fault:
        raise RecipeError(f"encoder.weights: {file}: {fault}. Copy the file anew, or remove encoder.weights.") from None


def answer() -> None:
    """Answer in the other process, by JSON on standard input and output."""
    asked = json.load(sys.stdin)
    sys.stdout.write("\n" + json.dumps(_answer(asked)))


def _answer(asked: dict[str, object]) -> dict[str, object]:
    from gmssl.errors import GmsslError
    from gmssl.interfaces.registry import resolve
    from gmssl.recipe.statistics import compared, preparation

    encoder: Encoder = resolve("encoder", asked["encoder"])  # type: ignore[assignment]
    views: Views = resolve("views", asked["views"])  # type: ignore[assignment]
    told, contradictions = dict[str, str](), list[str]()
    try:
        if getattr(encoder, "weights", None) is not None:
            from gmssl.training.model import try_building

            loaded = getattr(try_building(encoder), "loaded", None)
            told |= {} if loaded is None else {"weights": str(loaded)}
        known, contradictions = compared(views, encoder)
        told |= {} if known is None else {"trained on": preparation(views, known)}
    except GmsslError as error:
        return {"fault": str(error), "told": {}, "differences": []}
    return {"fault": None, "told": told, "differences": contradictions}
