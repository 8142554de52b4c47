"""Encoders of runs in the forms that other programs read; each is opened again before it counts as written."""
