"""Three-dimensional networks of MONAI, trained on the same cases and scored by the same code as slices."""
