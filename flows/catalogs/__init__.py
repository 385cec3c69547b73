"""Catalogues: where new looks are found, and how their pixels may be read.

See README.md in this folder for the contract and how to add one.
"""
