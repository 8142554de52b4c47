"""Affinity terms: how alike two vertices, or two edges, of the two graphs are."""
