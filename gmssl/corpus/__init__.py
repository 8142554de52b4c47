"""From archives to a store: the catalogue of datasets, and the build."""
