"""Optimal matchings with proof: branch and bound, and enumeration as the oracle."""
