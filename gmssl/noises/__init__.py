"""Noise distributions for perturbation-based gradient estimators."""
