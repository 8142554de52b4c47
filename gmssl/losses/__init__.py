"""Losses: matching against target matching."""
