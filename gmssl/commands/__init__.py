"""The commands of the `gmssl` program, one file each, and a folder where a command has several of its own.

What is no command stands in `common/`.

Modules here import typer and the standard library only; a command imports what it needs when it runs, so `--help`
stays fast and `check` never loads torch.
"""
