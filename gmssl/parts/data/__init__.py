"""Data: lists of images, and what a loader's worker makes of them."""
