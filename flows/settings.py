"""Settings: read once at the edge, from environment, then file, then these defaults.

The file is ``scarpwatch.toml`` in the state folder (or wherever ``SCARPWATCH_CONFIG`` points). Keys
nobody knows are refused: a misspelt channel must not mean that nobody is told.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from alerts.languages import DEFAULT, known
from alerts.records import Channel
from alerts.rules import Severity
from detectors.attributes import WORLDCOVER
from detectors.errors import ConfigurationError
from detectors.events import Severity as Severe
from detectors.types import Kind, Tier
from flows.catalogs.base import CatalogueSettings
from flows.distribution import DistributionSettings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from alerts.cap import Profile

DEFAULT_HOME = Path(".scarpwatch")
CONFIG_NAME = "scarpwatch.toml"
PREFIX = "SCARPWATCH_"
#: Variables of our prefix that are read elsewhere than by ``Settings``.
OTHER_VARIABLES = frozenset(
    {"SCARPWATCH_CONFIG", "SCARPWATCH_DATA", "SCARPWATCH_TEST_DATABASE_URL"}
)


class ChannelSettings(BaseModel):
    """One place alerts go to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr
    """``https:`` for a webhook, ``file:``, or an Apprise URL; a secret, for it may hold one."""
    exercise: bool = False
    """True: drills and replays only. False: real alerts only."""
    tags: tuple[str, ...] = ()
    """Only regions that share a tag; empty = every region."""
    secret: SecretStr | None = None
    """Key that signs webhooks."""
    languages: tuple[str, ...] = ()
    """What messages are written in, one below the other: ``en``, ``nb``, or a folder of
    ``templates``; empty = its subscriber's, or English."""


class QuietSettings(BaseModel):
    """When a subscriber sleeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: time
    """Wall clock of the subscriber."""
    end: time
    """Wall clock; earlier than ``start`` where the night lies between."""
    through: Severity = Severity.EXTREME
    """This and worse is sent all the same."""


class EscalateSettings(BaseModel):
    """Who is told when a subscriber does not answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str
    """Name of the second target."""
    after: timedelta = Field(gt=timedelta(0))
    """So long after the first was told."""


class SubscriberSettings(BaseModel):
    """Somebody who is told: of what, when, how often."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[str, ...] = Field(min_length=1)
    """Names of its channels; they serve it alone, whatever their tags."""
    areas: tuple[str, ...] = ()
    """``region:ID``, ``tag:TAG`` or a vector file; empty = everywhere."""
    kinds: tuple[Kind, ...] = tuple(Kind)
    """``landslide``, ``ponding``."""
    tiers: tuple[Tier, ...] = tuple(Tier)
    """``watch`` (only confirmed ones are alerts), ``likely``."""
    languages: tuple[str, ...] = ("en",)
    """Languages of its messages, on channels that have none of their own."""
    zone: str = "UTC"
    """IANA time zone of its clock."""
    quiet: QuietSettings | None = None
    """When only the worst is sent at once."""
    budget: int | None = Field(default=None, ge=0)
    """At most so many alerts at once within seven days."""
    digest: Literal["daily", "weekly"] = "daily"
    """How often what was not sent at once is listed; weekly is on Mondays."""
    digest_at: time = time(7)
    """When, by its clock."""
    escalate: EscalateSettings | None = None
    """Who is told when it does not acknowledge."""

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no IANA time zone such as Europe/Oslo") from None
        return zone

    @property
    def named(self) -> tuple[str, ...]:
        """All channels it names."""
        return (*self.channels, *(() if self.escalate is None else (self.escalate.channel,)))


class CapSettings(BaseModel):
    """What every CAP message of this agency says alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: str = "scarpwatch.invalid"
    """Unique among all senders, for instance a domain name of yours."""
    sender_name: str = "Scarpwatch"
    """What people call the sender."""
    restriction: str = "For the recipients that the sender has chosen"
    """Who may see the messages; their scope is Restricted."""
    contact: str | None = None
    """Whom to call."""
    web: str | None = None
    """Page about the alerts."""
    languages: tuple[str, ...] = ("en", "nb")
    """One block each, in this order."""
    event_list: str = "OET:v1.2"
    """Name of the list that the event codes are of."""
    event_codes: dict[str, str] = Field(default_factory=lambda: {"landslide": "OET-119"})
    """Code by kind of finding (landslide, ponding); a kind without one goes without."""
    expires_after: timedelta = timedelta(days=30)
    """How long a message stands where no later one replaces it."""
    exercise_name: str = "Scarpwatch exercise"
    """Which exercise, in messages that are one."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        """Find what would break messages before the first one is due."""
        try:
            self.profile()
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        return self

    def profile(self) -> Profile:
        """Return it in the vocabulary of ``alerts``.

        Raises:
            ConfigurationError: no message could be made with it.
        """
        from alerts.cap import Profile  # templates and geometry, which most commands do without

        return Profile(**dict(self))


class LandCoverSettings(BaseModel):
    """A map of what covers the ground."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path | None = None
    """Raster of class codes, from before what is to be found; None = land cover stays unknown."""
    name: str = ""
    """What views call it; empty = the name of the file."""
    classes: dict[int, str] | Literal["esa-worldcover"] = Field(default_factory=dict)
    """Name by code, or ``esa-worldcover``; codes without a name stay unknown."""

    @property
    def names(self) -> Mapping[int, str]:
        """Name by code."""
        return WORLDCOVER if self.classes == "esa-worldcover" else dict(self.classes)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.file is not None and not (self.classes and all(self.names.values())):
            raise ValueError("name the classes of the file: classes = 'esa-worldcover', or a table")
        return self


class QuotaSettings(BaseModel):
    """What each region may spend in a calendar month, UTC, where its own file does not say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_a_month: int | None = Field(default=None, gt=0)
    """Requests; None = no limit."""
    bytes_a_month: int | None = Field(default=None, gt=0)
    """Bytes fetched; None = no limit."""
    units_a_month: float | None = Field(default=None, gt=0)
    """Processing units; None = no limit."""


class TriggerSettings(BaseModel):
    """A feed of what sets off landslides: where it strikes, polls come more often for a while."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["earthquakes", "warnings"]
    """``earthquakes``: GeoJSON summary. ``warnings``: CAP 1.2, or an Atom feed of CAP messages."""
    url: SecretStr
    """Where the feed is; a secret, for it may hold a key."""
    min_magnitude: float = Field(default=5.0, ge=0, le=10)
    """Weaker earthquakes do not count."""
    reach_factor: float = Field(default=3.0, gt=0, le=20)
    """Times the radius of the area that landslides fill on average (``detectors.events``)."""
    min_severity: Severe = Severe.SEVERE
    """Milder warnings do not count."""
    poll_every: timedelta = Field(default=timedelta(minutes=10), ge=timedelta(minutes=1))
    """Interval of polls of the regions it reaches."""
    lasting: timedelta = Field(default=timedelta(days=12), gt=timedelta(0), le=timedelta(days=90))
    """How long after the event, or the end of the warning."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("must begin with https://")
        return url


class FeedSettings(BaseModel):
    """Feeds for programs that fetch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None
    """Where they are written after each delivery; None = nowhere."""
    url: str | None = None
    """Where the folder can be fetched, ending in a slash; None = links are relative."""
    keep: timedelta = timedelta(days=90)
    """How long an event stays after its last alert."""

    def address(self, *, exercise: bool) -> str:
        """Return where the feeds of one sort can be fetched; empty: nobody knows."""
        from alerts.feed import EXERCISES  # templates and geometry, which most commands do without

        return f"{self.url}{EXERCISES}/" if self.url and exercise else self.url or ""

    @field_validator("url")
    @classmethod
    def _is_folder(cls, url: str | None) -> str | None:
        if url is not None and not (url.startswith(("http://", "https://")) and url.endswith("/")):
            raise ValueError("must begin with https:// and end in a slash")
        return url


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    home: Path = DEFAULT_HOME
    """State folder: database, Prefect, replays, logs."""
    database_url: SecretStr | None = None
    """PostGIS to use instead of the private one below ``home``."""
    catalogues: dict[str, CatalogueSettings] = Field(default_factory=dict)
    """Catalogues by name, beside the ready-made ones."""
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)
    """Where alerts go, by name."""
    subscribers: dict[str, SubscriberSettings] = Field(default_factory=dict)
    """Who is told of what and how often, by name; channels none of them names go by tags."""
    operators: tuple[str, ...] = ()
    """Channels that hear of silence, spent quotas and the month's verification."""
    silence_tolerance: timedelta = timedelta(hours=24)
    """How late a look may be, beyond what its track is used to, before operators hear of it."""
    cap: CapSettings = Field(default_factory=CapSettings.model_construct)
    """What CAP messages say of their sender."""
    feed: FeedSettings = FeedSettings()
    """Atom, GeoJSON and CAP feeds."""
    quota: QuotaSettings = QuotaSettings()
    """What a region may spend in a month where its file sets no such limit."""
    triggers: dict[str, TriggerSettings] = Field(default_factory=dict)
    """Feeds of earthquakes and warnings that raise polls, by name."""
    read_triggers_every: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1))
    """Interval at which the feeds of triggers are read."""
    elevation: tuple[str, ...] = ()
    """Elevation models: files or ``catalogue/collection``; the first that reaches a place."""
    land_cover: LandCoverSettings = LandCoverSettings()
    """Map that tells what covers the ground of each landslide."""
    clock_file: Path | None = None
    """Replay: a file that holds the time to believe in; None = the system clock."""
    licence: str = ""
    """Terms of use of what this system exports; empty: exports say that nobody stated them."""
    exercise: bool = False
    """Replay or drill: every alert goes out as EXERCISE, to exercise channels only."""
    history: timedelta = timedelta(days=400)
    """How far before ``watch_from`` a first poll looks for the pre stack."""
    overlap: timedelta = timedelta(hours=6)
    """How far a poll reaches back behind the last one; catalogues publish out of order."""
    lease: timedelta = timedelta(minutes=15)
    """How long one worker may hold a look, without a sign of life, before another takes over."""
    look_attempts: int = Field(default=8, ge=1)
    """Tries of one look before it is parked as failed."""
    judge_for: timedelta = Field(default=timedelta(minutes=5), gt=timedelta(0))
    """How long one run of ``serve`` judges radar looks of a region before it lets others go on."""
    backlog: int = Field(default=10, ge=1)
    """More due looks of a region than this are judged newest first."""
    alert_within: timedelta = Field(default=timedelta(days=60), gt=timedelta(0))
    """What looks published longer ago show is told in one summary a region, or in the digest."""
    optical_window: timedelta = timedelta(days=120)
    """How long after its first look a landslide waits for an optical verdict."""
    close_after: timedelta = timedelta(days=120)
    """How long after its last change a confirmed landslide closes: ten looks at twelve days, so
    that no look's history holds anything from before it, and what is seen later is another."""
    delivery_attempts: int = Field(default=24, ge=1)
    """Tries of one message to one channel before it is given up."""
    delivery_timeout_s: float = Field(default=30.0, gt=0)
    """Seconds one channel gets for one message."""
    templates: Path | None = None
    """The agency's own message templates, ``LANGUAGE/...``; they go before ours file by file."""
    picture_timeout_s: float = Field(default=60.0, ge=0)
    """Seconds an alert waits for its picture, then it goes without; 0 = no pictures."""
    page_keep: timedelta = timedelta(days=90)
    """How long after it was last looked at the page keeps a picture."""
    page_keep_mb: int = Field(default=500, ge=0)
    """Most the pictures that the page keeps may weigh, MB; the ones looked at longest ago go."""
    keep_composites_days: int = Field(default=365, ge=0)
    """Days that composites and score maps of looks without a landslide stay on disk; those with one
    stay for good. 0 = none are written."""
    share_mb: int = Field(default=2000, ge=0)
    """Most that tiles and scores which overlapping regions share may weigh, MB; 0 = none do."""
    share_for: timedelta = timedelta(days=2)
    """How long they stay after they were last used."""
    despeckled_mb: int = Field(default=4000, ge=0)
    """Most that looks without speckle, kept for later ones, may weigh, MB; 0 = none are."""
    despeckled_for: timedelta = timedelta(days=40)
    """How long they stay after they were last used."""
    deliver_every: timedelta = timedelta(minutes=1)
    """Interval at which undelivered messages are tried again."""
    prefect_port: int = Field(default=4200, ge=0, le=65535)
    """Loopback port of the Prefect server and its pages that ``serve`` starts; 0 = a free one."""
    runs_at_once: int = Field(default=2, ge=1)
    """Flow runs that ``serve`` lets run side by side."""
    distribution: DistributionSettings = DistributionSettings()
    """Work on other machines; nothing of it is needed on one."""
    inference_backend: Literal["auto", "eager", "onnx", "openvino"] = "auto"
    """What runs the networks of the optical ensemble; auto: what was measured to be the fastest."""

    @property
    def models(self) -> Path:
        """Folder of the operator's own models."""
        return self.home / "models"

    @property
    def composites(self) -> Path:
        """Folder of the composites and score maps that are kept."""
        return self.home / "composites"

    @property
    def despeckled(self) -> Path:
        """Folder of looks without speckle."""
        return self.home / "despeckled"

    @property
    def shared(self) -> Path:
        """Folder of what overlapping regions share."""
        return self.home / "shared"

    @field_validator("channels")
    @classmethod
    def _name_channels(cls, channels: dict[str, ChannelSettings]) -> dict[str, ChannelSettings]:
        """Let names be written with _ for -, which no shell exports."""
        return {name.replace("_", "-"): own for name, own in channels.items()}

    @field_validator("subscribers")
    @classmethod
    def _name_subscribers(
        cls, subscribers: dict[str, SubscriberSettings]
    ) -> dict[str, SubscriberSettings]:
        return {name.replace("_", "-"): own for name, own in subscribers.items()}

    @model_validator(mode="after")
    def _know_channels(self) -> Self:
        """Refuse channels nobody has set: a misspelt one must not mean that nobody is told."""
        for name, own in self.subscribers.items():
            if strange := sorted(set(own.named) - set(self.channels)):
                raise ValueError(f"subscriber {name}: no channel {', '.join(strange)}")
            if strange := sorted(set(own.languages) - set(known(self.templates))):
                raise ValueError(
                    f"subscriber {name}: no language {', '.join(strange)}; known: "
                    f"{', '.join(known(self.templates))}"
                )
            if own.escalate is not None and own.escalate.channel in own.channels:
                raise ValueError(f"subscriber {name}: it cannot escalate to itself")
        users = Counter(one for own in self.subscribers.values() for one in own.channels)
        if shared := sorted(name for name, count in users.items() if count > 1):
            # A message goes to a channel once, so that one budget would eat the other's.
            raise ValueError(f"two subscribers share the channel {', '.join(shared)}")
        if strange := sorted(set(self.operators) - set(self.channels)):
            raise ValueError(f"operators: no channel {', '.join(strange)}")
        return self

    @field_validator("catalogues")
    @classmethod
    def _know_names(cls, catalogues: dict[str, CatalogueSettings]) -> dict[str, CatalogueSettings]:
        """Let ready-made names do without kind, and with _ for -, which no shell exports."""
        from flows.catalogs.registry import READY_MADE  # more modules than most commands need

        written = {name.replace("-", "_"): name for name in READY_MADE}
        named = {written.get(name, name): own for name, own in catalogues.items()}
        if strange := [n for n, own in named.items() if not own.kind and n not in READY_MADE]:
            raise ValueError(
                f"{', '.join(strange)}: needs a kind, being none of the ready-made catalogues "
                f"({', '.join(READY_MADE)})"
            )
        return named

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then environment, then the file."""
        file = TomlConfigSettingsSource(settings_cls, config_path())
        return init_settings, env_settings, file

    def channel_records(self) -> tuple[Channel, ...]:
        """Return the channels in the vocabulary of ``alerts``.

        A ``file:`` without a leading slash is a file in the state folder.
        """
        spoken = {name: own.languages for own in self.subscribers.values() for name in own.named}
        return tuple(
            Channel(
                name, self._absolute(c.url), c.exercise, c.tags, c.secret,
                c.languages or spoken.get(name) or (DEFAULT,),
            )
            for name, c in self.channels.items()
        )  # fmt: skip

    def _absolute(self, url: SecretStr) -> SecretStr:
        scheme, _, path = url.get_secret_value().partition(":")
        if scheme != "file" or not path or path.startswith("/"):
            return url
        return SecretStr((self.home.absolute() / path).as_uri())


def config_path() -> Path:
    """Return where the settings file would be."""
    named = os.environ.get("SCARPWATCH_CONFIG")
    home = Path(os.environ.get("SCARPWATCH_HOME", DEFAULT_HOME))
    return Path(named) if named else home / CONFIG_NAME


def load(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: a key is unknown or a value does not fit; values are never repeated,
            since they may be secrets.
    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | OTHER_VARIABLES
    strange = [
        variable
        for variable in os.environ
        if variable.startswith(PREFIX) and variable.split("__")[0] not in known
    ]
    if strange:
        raise ConfigurationError(
            f"nobody reads {', '.join(sorted(strange))}; see the settings in infra/runbook.md"
        )
    try:
        return Settings(**overrides)
    except ValidationError as error:
        found = "; ".join(
            _said(problem) for problem in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"settings ({config_path()}): {found}") from None
    except SettingsError as error:
        raise ConfigurationError(f"a {PREFIX} variable cannot be read: {error}") from None
    except ValueError as error:
        raise ConfigurationError(f"{config_path()} cannot be read as TOML: {error}") from None


def _said(problem: ErrorDetails) -> str:
    """Return where a setting is wrong and why, in an operator's words."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{where}: nobody reads this key; see the settings in infra/runbook.md"
    why = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {why}" if where else why
