"""Data: lists of images, how they are read, and what a loader's worker makes of them."""
