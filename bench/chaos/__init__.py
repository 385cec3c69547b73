"""Faults made on purpose, and whether nothing was lost: ``make chaos``; see ``bench/chaos.md``."""

import os

# Processes are forked of this one: it must have one thread, and so must whatever it loads.
os.environ["OMP_NUM_THREADS"] = "1"
