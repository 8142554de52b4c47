"""Runs: Lightning's Trainer, the folder of a run, and what is written there."""
