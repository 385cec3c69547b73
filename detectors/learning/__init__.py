"""Recipes that need no network: trees, forests, linear scores and breaks in a series."""
