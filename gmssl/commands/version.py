"""`gmssl version`."""

from __future__ import annotations

from gmssl.commands.common.options import examples

VERSION_EXAMPLES = examples("gmssl version  # name these versions beside results")


def short_version(asked: bool) -> None:
    """`gmssl --version`: the version of gmssl alone, as scripts read it."""
    if asked:
        import typer

        from gmssl import __version__

        typer.echo(f"gmssl {__version__}")
        raise typer.Exit


def version() -> None:
    """Print the versions of gmssl and of the packages that results depend on."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    import typer

    from gmssl import __version__

    typer.echo(f"gmssl {__version__}")
    typer.echo(f"python {platform.python_version()}")
    for package in ("torch", "torchvision", "lightning", "timm", "torch-geometric", "numba", "numpy"):
        try:
            typer.echo(f"{package} {installed(package)}")
        except PackageNotFoundError:
            typer.echo(f"{package} is not installed")
