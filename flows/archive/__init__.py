"""Archives: folders of real looks with STAC around them, served as if they came in live.

See README.md in this folder for the layout of an archive and how to make one.
"""
