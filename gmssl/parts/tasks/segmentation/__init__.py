"""Segmentation of images: a decoder of segmentation-models-pytorch on any backbone with a pyramid."""
