"""The catalogue of datasets: what is known of each, and whether an archive on disk is complete."""
