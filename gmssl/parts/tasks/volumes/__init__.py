"""Segmentation of volumes: slice by slice on any encoder, or whole by a three-dimensional network."""
