"""Catalogues by kind, and the ready-made ones by name.

Adding a kind: one module with a class that fulfils ``Catalogue``, one entry in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from detectors.errors import ConfigurationError
from flows.catalogs.asf import AsfCatalogue
from flows.catalogs.base import Catalogue, CatalogueSettings
from flows.catalogs.planetary_computer import PlanetaryComputerCatalogue
from flows.catalogs.stac import StacCatalogue

#: What makes a catalogue of its name and settings.
Factory = Callable[[str, CatalogueSettings], Catalogue]

KINDS: MappingProxyType[str, Factory] = MappingProxyType(
    {
        "stac": StacCatalogue,
        "opera-asf": AsfCatalogue,
        "planetary-computer": PlanetaryComputerCatalogue,
    }
)

#: Live sources that need no more than a token. ``name/collection`` is what regions list.
READY_MADE: MappingProxyType[str, CatalogueSettings] = MappingProxyType(
    {
        "opera-asf": CatalogueSettings(kind="opera-asf"),
        "opera-cmr-stac": CatalogueSettings(
            kind="stac", url="https://cmr.earthdata.nasa.gov/stac/ASF"
        ),
        "planetary-computer": CatalogueSettings(kind="planetary-computer"),
    }
)


def make_catalogue(name: str, settings: CatalogueSettings) -> Catalogue:
    """Make a catalogue.

    Raises:
        ConfigurationError: the kind is unknown, or the settings do not suffice for it.
    """
    factory = KINDS.get(settings.kind)
    if factory is None:
        raise ConfigurationError(
            f"catalogue {name}: unknown kind {settings.kind}; known are {', '.join(KINDS)}"
        )
    return factory(name, settings)


def split_source(source: str) -> tuple[str, str]:
    """Split ``catalogue/collection``.

    Raises:
        ConfigurationError: it is not of that form.
    """
    name, slash, collection = source.partition("/")
    if not (name and slash and collection):
        raise ConfigurationError(f"a source is written catalogue/collection, not {source!r}")
    return name, collection
