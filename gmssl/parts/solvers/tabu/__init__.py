"""Robust tabu search, the second-order solver of training: settings, kernels for each device, and their starts."""
