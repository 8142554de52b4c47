"""Gradient estimators: how gradients come back through a discrete matching."""
