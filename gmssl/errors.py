"""Errors a user can act on. Every message says what happened, where, what exists, and ends with the remedy.

The command line turns each of them into that one message and exit code 2; nothing else is caught there, so a defect of
the framework still shows its traceback.
"""


class GmsslError(Exception):
    """Base of all errors that a user, and not a developer of the framework, can mend."""


class RecipeError(GmsslError):
    """A recipe that cannot be read, or whose parts contradict each other."""


class PluginError(GmsslError):
    """A part that is not installed, does not import, or does not keep its interface."""


class ProblemError(GmsslError):
    """A matching problem with wrong shapes, types, devices, indices, or non-finite costs."""


class FormatError(ProblemError):
    """A file of matching problems that is missing, malformed (the message names file and line), or too large."""


class DataError(GmsslError):
    """Images or manifests that are missing, empty, or unreadable above the share that the recipe allows."""


class TrainingError(GmsslError):
    """A run that cannot start, go on, or resume: non-finite loss, damaged checkpoint, another recipe's run."""
