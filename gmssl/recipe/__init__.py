"""Recipes: a whole run as data, checked before anything runs."""
