"""Targets: which matching is right."""
