"""Lagrange decomposition: a matching with a certificate; settings, dual ascent for each device, and its tables."""
