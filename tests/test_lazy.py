"""Nothing heavy is imported before it is needed. Asked in fresh interpreters, since this one has torch loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "lightning",
    "numpy",
    "scipy",
    "numba",
    "timm",
    "kornia",
    "torch_geometric",
    "matplotlib",
    "jinja2",
    "torchdata",
    "sklearn",
    "tifffile",
    "nibabel",
    "SimpleITK",
    "h5py",
    "openslide",
}


def loaded_by(code: str) -> set[str]:
    """Top-level packages in sys.modules after `code`."""
    report = f"{code}\nimport sys\nsys.stderr.write('LOADED ' + ' '.join({{n.partition('.')[0] for n in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=False)
    assert "LOADED" in done.stderr, done.stderr
    return set(done.stderr.partition("LOADED ")[2].split())


def test_import_gmssl_is_light() -> None:
    assert not loaded_by("import gmssl") & (HEAVY | {"pydantic", "typer", "rich", "yaml"})


def test_help_is_light() -> None:
    code = (
        "import gmssl.commands.program, typer.testing as t; "
        "assert t.CliRunner().invoke(gmssl.commands.program.app, ['--help']).exit_code == 0"
    )
    assert not loaded_by(code) & (HEAVY | {"pydantic", "yaml"})


def test_settings_are_light() -> None:
    """Every part, the recipe and its schema load without torch: this is what lets `check` answer within a second."""
    code = """
import gmssl.recipe.recipe
from gmssl.commands.common.schema import recipe_schema
from gmssl.interfaces.registry import GROUPS, find, kinds
assert all(find(slot, kind) for slot in GROUPS for kind in kinds(slot))
recipe_schema()
"""
    assert not loaded_by(code) & HEAVY


def test_check_is_light(shipped_recipe: str) -> None:
    code = f"""
import gmssl.commands.program, typer.testing as t
done = t.CliRunner().invoke(gmssl.commands.program.app, ['check', {shipped_recipe!r}])
assert done.exit_code == 0, done.output
"""
    assert not loaded_by(code) & HEAVY


def test_the_catalogue_is_light() -> None:
    code = """
import gmssl.commands.program, typer.testing as t
done = t.CliRunner().invoke(gmssl.commands.program.app, ['data', 'list'])
assert done.exit_code == 0, done.output
"""
    assert not loaded_by(code) & HEAVY


def test_public_names() -> None:
    import gmssl

    assert sorted(gmssl.__all__) == sorted(
        [
            "Problem",
            "Topology",
            "Costs",
            "Matching",
            "Solution",
            "solve",
            "certify",
            "energy",
            "part",
            "load_encoder",
            "load_recipe",
            "Run",
            "evaluate",
            "train",
            "__version__",
        ]
    )
    for name in gmssl.__all__:
        assert getattr(gmssl, name) is not None
    assert callable(gmssl.energy)
    assert callable(gmssl.solve)
    with pytest.raises(AttributeError, match="public names are"):
        gmssl.solver  # noqa: B018


def test_functions_stay_functions_when_their_modules_are_imported() -> None:
    code = "import gmssl, gmssl.problem.pairs, gmssl.problem.solving, gmssl.parts, gmssl.interfaces.registry\n"
    code += "assert all(callable(f) for f in (gmssl.energy, gmssl.solve, gmssl.part, gmssl.load_recipe, gmssl.train))"
    loaded_by(code)


def test_lazy_module_gives_the_module_s_attributes() -> None:
    import numpy

    from gmssl.lazy import _LazyModule

    lazy = _LazyModule("numpy")
    assert lazy.array is numpy.array
    with pytest.raises(AttributeError):
        lazy.no_such_thing  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        _LazyModule("no_such_package").anything  # noqa: B018
