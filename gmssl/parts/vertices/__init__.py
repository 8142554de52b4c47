"""Vertices: what is matched."""
