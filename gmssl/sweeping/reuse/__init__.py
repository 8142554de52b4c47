"""Finished runs of other sweeps are found again by what decides their numbers, and taken instead of trained anew."""
