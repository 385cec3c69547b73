"""Several catalogues that list the same scenes, asked as if they were one.

The first member that answers is read. One that fails is passed over and the reason kept. A second
member is asked as well, and scenes that only it has are taken from there: public catalogues lose
scenes for good, and stop without a word. Every scene has one name whoever lists it, so that it is
judged once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from shapely.geometry.base import BaseGeometry

from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import Acquisition
from flows.catalogs.base import Catalogue, CatalogueSettings, Refused, Renderer
from flows.catalogs.scenes import Listing, Scene, find, listing, match

log = structlog.get_logger()

#: Members that are read at each search: one for what is new, one for what the first lacks.
_ASKED = 2


@dataclass(frozen=True, slots=True)
class Member:
    """One of the catalogues behind a mirror."""

    source: str
    """``catalogue/collection``."""
    collection: str
    """What it calls the collection."""
    catalogue: Catalogue
    """Asked with patience."""
    hurried: Catalogue
    """The same, asked once: nobody waits for a cross-check."""
    host: str
    """Where it is searched."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How one member fared in the latest search."""

    source: str
    """``catalogue/collection`` of the member."""
    error: str | None
    """Why it was passed over, None where it answered."""


class MirrorsCatalogue:
    """Mirrors of one collection; see ``flows.catalogs.base.Catalogue`` for the contract."""

    def __init__(self, name: str, settings: CatalogueSettings, members: Sequence[Member]) -> None:
        """Keep the members; nothing is asked before the first search.

        Raises:
            ConfigurationError: fewer than two members, or some that cannot stand in for another.
        """
        if len(members) < 2:
            raise ConfigurationError(f"catalogue {name} needs at least two members to be mirrors")
        for member in members:
            if isinstance(member.catalogue, Renderer | MirrorsCatalogue):
                raise ConfigurationError(f"catalogue {name}: {member.source} cannot be a mirror")
        self.name = name
        self.settings = settings
        self._members = tuple(members)
        self._asked: tuple[Asked, ...] = ()

    @property
    def asked(self) -> tuple[Asked, ...]:
        """How the members fared in the latest search; those without credentials are left out."""
        return self._asked

    def search(
        self,
        collection: str,
        geometry: BaseGeometry,
        *,
        sensed_after: datetime,
        until: datetime,
        published_after: datetime | None = None,
    ) -> Iterator[Acquisition | Refused]:
        """See ``Catalogue.search``; items are named by scene, and hrefs are of the member's.

        Raises:
            CatalogueUnavailable: no member answers.
            ConfigurationError: no member can be read, or none has the collection.
        """
        self._insist_on(collection)
        lists: list[tuple[Member, Listing]] = []
        asked: list[Asked] = []
        reasons: list[str] = []
        passing = False
        for member in self._members:
            try:
                # A member whose pixels cannot be read is no help, however well it can be searched.
                member.catalogue.gdal_environment()
            except ConfigurationError as error:
                reasons.append(f"{member.source}: {error}")
                continue
            try:
                found = find(
                    member.hurried if lists else member.catalogue, member.collection, geometry,
                    sensed_after=sensed_after, until=until, published_after=published_after,
                )  # fmt: skip
                lists.append((member, listing(found)))
                asked.append(Asked(member.source, None))
            except (CatalogueUnavailable, ConfigurationError) as error:
                passing = passing or isinstance(error, CatalogueUnavailable)
                reasons.append(f"{member.source}: {error}")
                asked.append(Asked(member.source, str(error)))
                log.warning("catalogue passed over", source=member.source, reason=str(error))
            if len(lists) == (_ASKED if self.settings.cross_check else 1):
                break
        self._asked = tuple(asked)
        if not lists:
            message = f"no mirror of {self.name} can be read: {'; '.join(reasons)}"
            raise CatalogueUnavailable(message) if passing else ConfigurationError(message)
        yield from lists[0][1].refused
        for scene in _united(lists):
            yield replace(scene.acquisition, source=f"{self.name}/{collection}", item_id=scene.name)

    def _insist_on(self, collection: str) -> None:
        known = sorted({member.collection for member in self._members})
        if collection not in known:
            raise ConfigurationError(f"{self.name} mirrors {', '.join(known)}, not {collection}")

    def sign(self, href: str, *, renew: bool = False) -> str:
        """Let the member sign whose href it is; others give it back as it came."""
        for member in self._members:
            signed = member.catalogue.sign(href, renew=renew)
            if signed != href:
                return signed
        return href

    def gdal_environment(self) -> Mapping[str, str]:
        """Return what the members need together; those without credentials are left out.

        Raises:
            ConfigurationError: a header with a token would be sent to a stranger's host.
        """
        together: dict[str, str] = {}
        bearers = set()
        for member in self._members:
            try:
                needed = member.catalogue.gdal_environment()
            except ConfigurationError:
                continue
            if "GDAL_HTTP_HEADERS" in needed:
                bearers.add(member.host)
            together |= needed
        if bearers and bearers != {member.host for member in self._members}:
            raise ConfigurationError(
                f"catalogue {self.name}: a token for {', '.join(sorted(bearers))} would be sent to "
                "the other members, too; mirror catalogues of one host, or of signed links"
            )
        return together

    def check(self) -> str:
        """See ``Catalogue.check``; says of every member whether it answers.

        Raises:
            CatalogueUnavailable: none does.
        """
        said = []
        alive = False
        for member in self._members:
            try:
                said.append(member.hurried.check())
                alive = True
            except (CatalogueUnavailable, ConfigurationError) as error:
                said.append(f"{member.source}: {error}")
        if not alive:
            raise CatalogueUnavailable("; ".join(said))
        return "; ".join(said)


def member_of(source: str, collection: str, catalogue: Catalogue, hurried: Catalogue) -> Member:
    """Make a member of a catalogue and its twin that asks once."""
    host = urlsplit(str(getattr(catalogue, "url", ""))).hostname
    return Member(source, collection, catalogue, hurried, host or source)


def asked_members(catalogue: Catalogue) -> tuple[Asked, ...]:
    """Return how the members fared in a catalogue's latest search; none for a plain one."""
    return catalogue.asked if isinstance(catalogue, MirrorsCatalogue) else ()


def _united(lists: Sequence[tuple[Member, Listing]]) -> Iterator[Scene]:
    """Yield the scenes of the first member, then those only the second has."""
    (first, found), others = lists[0], lists[1:]
    yield from found.scenes
    for member, other in others:
        _, _, lacking = match(found.scenes, other.scenes)
        if lacking:
            log.warning(
                "scenes missing in one catalogue, taken from another", missing_in=first.source,
                taken_from=member.source, scenes=[scene.name for scene in lacking],
            )  # fmt: skip
        yield from lacking
