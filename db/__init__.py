"""What we know, in PostGIS: the embedded cluster, the schema, the writes and the reads.

Functions take a ``Session``; whoever opened the transaction (``db.engine.transaction``) owns it,
so that a detection, a landslide and its alert commit together or not at all.
"""
