"""Wiring: what the steps reach the world through. Tests and replays wire other things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from alerts.records import Channel
from alerts.subscribers import Subscriber
from db.cluster import Cluster
from db.engine import make_engine
from detectors.errors import ConfigurationError
from detectors.types import Acquisition
from flows.catalogs.base import Catalogue
from flows.catalogs.registry import known_catalogues, make_catalogue, split_source
from flows.clock import Clock, FileClock, SystemClock
from flows.model_registry import Registry
from flows.settings import Settings
from flows.subscribing import subscriber_records
from flows.workers import worker_name

if TYPE_CHECKING:
    from flows.heights import Heights
    from flows.inferring import Asked

#: Name of the production database inside the private cluster.
DATABASE = "scarpwatch"


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a step needs besides its own arguments."""

    settings: Settings
    """What the operator set."""
    engine: Engine
    """PostGIS."""
    clock: Clock
    """Time of the watched world; leases and retries go by the machine's clock."""
    channels: tuple[Channel, ...]
    """Where alerts go."""
    subscribers: tuple[Subscriber, ...] = ()
    """Who is told of what and how often; what they do not name goes by tags."""
    owner: str = field(default_factory=worker_name)
    """This worker, for leases."""
    _catalogues: dict[str, Catalogue] = field(default_factory=dict)
    _asked: dict[Path, Asked] = field(default_factory=dict)

    def catalogue(self, name: str) -> Catalogue:
        """Return a catalogue by its name in the settings, or a ready-made one.

        Raises:
            ConfigurationError: there is none of that name.
        """
        if name not in self._catalogues:
            known = known_catalogues(self.settings.catalogues, self.settings.home)
            if name not in known:
                raise ConfigurationError(
                    f"no catalogue {name!r} in the settings; known: {', '.join(sorted(known))}"
                )
            self._catalogues[name] = make_catalogue(name, known[name], known)
        return self._catalogues[name]

    @property
    def heights(self) -> Heights:
        """Where heights come from, as the settings name it."""
        # Loads the numerical libraries, which an idle poll can do without.
        from flows.heights import ConfiguredHeights

        return ConfiguredHeights(self.settings.elevation, self.catalogue)

    def asked(self, name: str) -> Asked:
        """Return the version of an ensemble that is in use, run as the settings say.

        Raises:
            ConfigurationError: there is no such model.
            InvalidWeights: what the operator promoted is gone.
        """
        from flows.inferring import Asked

        folder = Registry(self.settings.models).in_use(name)
        if folder not in self._asked:
            how = self.settings.inference_backend
            self._asked[folder] = Asked(folder, self.settings.home, how)
        return self._asked[folder]

    def catalogue_of(self, acquisition: Acquisition) -> Catalogue:
        """Return the catalogue an acquisition came from.

        Raises:
            ConfigurationError: it is no longer in the settings.
        """
        return self.catalogue(split_source(acquisition.source)[0])


def database_url(settings: Settings, *, create: bool = False) -> str:
    """Return the URL of the database, after starting the private cluster if that is what is used.

    Raises:
        ConfigurationError: there is none yet, or PostgreSQL or PostGIS is not installed.
        DatabaseUnavailable: the private cluster does not come up.
    """
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    cluster = Cluster(settings.home)
    if not create and cluster.status().state == "absent":
        # Never made on the way: a command typed in the wrong folder would watch nothing, quietly.
        raise ConfigurationError(
            f"no database in {cluster.home}; run: scarpwatch db upgrade (or go to the folder, or "
            "set SCARPWATCH_HOME, of the one you mean)"
        )
    cluster.ensure()
    cluster.create_database(DATABASE)
    return cluster.url(DATABASE)


@contextmanager
def open_services(settings: Settings, *, create: bool = False) -> Iterator[Services]:
    """Wire the services for one process and let go of their connections at the end."""
    engine = make_engine(database_url(settings, create=create))
    clock = FileClock(settings.clock_file) if settings.clock_file else SystemClock()
    try:
        subscribers = subscriber_records(settings)
        yield Services(settings, engine, clock, settings.channel_records(), subscribers)
    finally:
        engine.dispose()
