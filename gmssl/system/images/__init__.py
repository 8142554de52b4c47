"""Image files: how they are read, and what becomes of samples that are not 8 bits deep."""
