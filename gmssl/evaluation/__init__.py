"""Frozen features judged by simple classifiers, always beside the references they must beat."""
