"""Frozen features are judged by simple classifiers, always beside the references that they must beat."""
