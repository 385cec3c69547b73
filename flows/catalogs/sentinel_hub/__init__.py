"""Sentinel Hub, as the Copernicus Data Space runs it: pixels rendered on request.

``catalogue`` fulfils ``Catalogue`` and ``Renderer``; ``items`` turns features into acquisitions,
``recipes`` says what is asked for and what it costs, ``client`` is the only one that talks to the
service (through the package ``sentinelhub``), ``budget`` counts what all processes of this machine
spend, ``kept`` holds rendered pixels on disk, ``pixels`` reads answers.
"""
