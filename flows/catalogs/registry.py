"""Catalogues by kind, and the ready-made ones by name.

Adding a kind: one module with a class that fulfils ``Catalogue``, one entry in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from detectors.errors import ConfigurationError
from flows.catalogs.asf import AsfCatalogue
from flows.catalogs.base import Catalogue, CatalogueSettings
from flows.catalogs.cdse import CdseCatalogue
from flows.catalogs.mirrors import Member, MirrorsCatalogue, member_of
from flows.catalogs.planetary_computer import PlanetaryComputerCatalogue
from flows.catalogs.sentinel_hub.catalogue import SentinelHubCatalogue
from flows.catalogs.stac import StacCatalogue

#: What makes a catalogue of its name and settings.
Factory = Callable[[str, CatalogueSettings], Catalogue]

KINDS: MappingProxyType[str, Factory] = MappingProxyType(
    {
        "stac": StacCatalogue,
        "opera-asf": AsfCatalogue,
        "planetary-computer": PlanetaryComputerCatalogue,
        "cdse": CdseCatalogue,
        "sentinel-hub": SentinelHubCatalogue,
    }
)
#: The kind that is made of others.
MIRRORS = "mirrors"

#: Live sources that need no more than a token. ``name/collection`` is what regions list.
READY_MADE: MappingProxyType[str, CatalogueSettings] = MappingProxyType(
    {
        "opera-asf": CatalogueSettings(kind="opera-asf"),
        "opera-cmr-stac": CatalogueSettings(
            kind="stac", url="https://cmr.earthdata.nasa.gov/stac/ASF"
        ),
        "planetary-computer": CatalogueSettings(kind="planetary-computer"),
        "earth-search": CatalogueSettings(
            kind="stac", url="https://earth-search.aws.element84.com/v1"
        ),
        "cdse": CatalogueSettings(kind="cdse"),
        # Terrain has to be loaded before the first pixel comes: two minutes are not rare.
        "cdse-hub": CatalogueSettings(kind="sentinel-hub", timeout_s=120.0),
        # Open and fast first; the archive of record second; history last (no new scenes there).
        "sentinel-2": CatalogueSettings(
            kind=MIRRORS,
            members=(
                "earth-search/sentinel-2-c1-l2a",
                "cdse/sentinel-2-l2a",
                "planetary-computer/sentinel-2-l2a",
            ),
        ),
    }
)


def known_catalogues(
    configured: Mapping[str, CatalogueSettings], state: Path | None = None
) -> dict[str, CatalogueSettings]:
    """Return every catalogue by name: the ready-made ones with what the settings add, and others.

    A ready-made name with another kind is another catalogue, and nothing of the old one is kept.

    Args:
        configured: what the operator set; the kind of a ready-made one may be left out.
        state: state folder, for what the processes of a machine share; None where nothing is read.
    """
    known = dict(READY_MADE)
    for name, own in configured.items():
        made = READY_MADE.get(name)
        if made is not None and own.kind in {"", made.kind}:
            added = {key: getattr(own, key) for key in own.model_fields_set - {"kind"}}
            own = made.model_copy(update=added)
        known[name] = own
    if state is None:
        return known
    return {
        name: own if own.state else own.model_copy(update={"state": state.absolute()})
        for name, own in known.items()
    }


def make_catalogue(
    name: str, settings: CatalogueSettings, known: Mapping[str, CatalogueSettings] = READY_MADE
) -> Catalogue:
    """Make a catalogue.

    Args:
        name: in the settings.
        settings: its own.
        known: all there are, by name; mirrors are made of them.

    Raises:
        ConfigurationError: the kind is unknown, or the settings do not suffice for it.
    """
    if settings.kind == MIRRORS:
        members = [_member(name, source, settings, known) for source in settings.members]
        return MirrorsCatalogue(name, settings, members)
    factory = KINDS.get(settings.kind)
    if factory is None and not settings.kind:
        raise ConfigurationError(
            f"catalogue {name} is none of the ready-made ones and needs a kind: "
            f"{', '.join([*KINDS, MIRRORS])}"
        )
    if factory is None:
        raise ConfigurationError(
            f"catalogue {name}: unknown kind {settings.kind}; "
            f"known are {', '.join([*KINDS, MIRRORS])}"
        )
    return factory(name, settings)


def _member(
    name: str, source: str, settings: CatalogueSettings, known: Mapping[str, CatalogueSettings]
) -> Member:
    """Make one member of a mirror, as it is set up itself."""
    of, collection = split_source(source)
    own = known.get(of)
    if own is None or own.kind == MIRRORS:
        raise ConfigurationError(
            f"catalogue {name}: {of} cannot be a mirror; known: {', '.join(sorted(known))}"
        )
    # Whoever is in a hurry with the whole (doctor) is so with its members.
    attempts = min(own.attempts, settings.attempts)
    own = own.model_copy(
        update={"attempts": attempts, "timeout_s": min(own.timeout_s, settings.timeout_s)}
    )
    hurried = own.model_copy(update={"attempts": 1})
    return member_of(
        source, collection, make_catalogue(of, own, known), make_catalogue(of, hurried, known)
    )


def split_source(source: str) -> tuple[str, str]:
    """Split ``catalogue/collection``.

    Raises:
        ConfigurationError: it is not of that form.
    """
    name, slash, collection = source.partition("/")
    if not (name and slash and collection):
        raise ConfigurationError(f"a source is written catalogue/collection, not {source!r}")
    return name, collection
