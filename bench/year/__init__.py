"""A simulated year of watching: the books of many regions, and the full chain of a few."""
