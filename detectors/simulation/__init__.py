"""Whole landslide events that never happened, with the truth about them. All of it is simulated."""
