"""Vocabulary and all computation: arrays in, arrays and records out.

Nothing in this package reads a file, a database, a setting or the network.
"""
