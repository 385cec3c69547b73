"""Orchestration, catalogues, imagery and the command line: everything that touches the world."""
