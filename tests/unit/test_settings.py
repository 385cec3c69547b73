"""Settings: where they come from, what is refused, and that secrets stay secret."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from detectors.errors import ConfigurationError
from flows import settings
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.registry import READY_MADE, known_catalogues

SECRET = "hush-hush"

FILE = f"""
lease = "PT20M"
look_attempts = 3

[channels.duty]
url = "https://duty:{SECRET}@example.org/hook"
tags = ["coast"]
secret = "{SECRET}"

[channels.drill]
url = "file:///tmp/drill.jsonl"
exercise = true

[catalogues.own]
kind = "stac"
url = "https://stac.example.org"
token = "{SECRET}"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("SCARPWATCH_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("SCARPWATCH_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def write(home: Path) -> Path:
    path = home / "scarpwatch.toml"
    path.write_text(FILE)
    return path


def test_channels_speak_what_their_subscriber_speaks(home: Path) -> None:
    channels = "".join(
        f'[channels.{name}]\nurl = "file:///tmp/{name}"\n{own}'
        for name, own in (
            ("desk", ""), ("chief", ""), ("press", 'languages = ["en"]\n'), ("other", ""),
        )
    )  # fmt: skip
    (home / "scarpwatch.toml").write_text(
        f"""{channels}
[subscribers.county]
channels = ["desk", "press"]
languages = ["nb", "en"]
[subscribers.county.escalate]
channel = "chief"
after = "PT30M"
"""
    )
    spoken = {one.name: one.languages for one in settings.load().channel_records()}
    assert spoken == {
        "desk": ("nb", "en"), "chief": ("nb", "en"), "press": ("en",), "other": ("en",),
    }  # fmt: skip


def test_nothing_set(home: Path) -> None:
    loaded = settings.load()
    assert loaded.home == home
    assert loaded.database_url is None
    assert (loaded.channels, loaded.catalogues, loaded.exercise) == ({}, {}, False)
    assert settings.config_path() == home / "scarpwatch.toml"


@pytest.mark.usefixtures("write")
def test_file_then_environment_then_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().lease == timedelta(minutes=20)
    monkeypatch.setenv("SCARPWATCH_LEASE", "PT30M")
    assert settings.load().lease == timedelta(minutes=30)
    assert settings.load(lease=timedelta(minutes=40)).lease == timedelta(minutes=40)
    assert settings.load().look_attempts == 3


@pytest.mark.usefixtures("write")
def test_environment_reaches_into_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_CHANNELS__DUTY__EXERCISE", "true")
    monkeypatch.setenv("SCARPWATCH_CATALOGUES__OWN__TOKEN", "other")
    loaded = settings.load()
    assert loaded.channels["duty"].exercise
    assert loaded.channels["duty"].tags == ("coast",)
    token = loaded.catalogues["own"].token
    assert token is not None
    assert token.get_secret_value() == "other"


def test_config_elsewhere(write: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.toml"
    other.write_text("delivery_attempts = 5\n")
    monkeypatch.setenv("SCARPWATCH_CONFIG", str(other))
    loaded = settings.load()
    assert (loaded.delivery_attempts, loaded.channels) == (5, {})


@pytest.mark.usefixtures("write")
def test_channel_records() -> None:
    duty, drill = settings.load().channel_records()
    assert (duty.name, duty.exercise, duty.tags) == ("duty", False, ("coast",))
    assert (drill.name, drill.exercise, drill.secret) == ("drill", True, None)


@pytest.mark.usefixtures("write")
def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", f"postgresql://u:{SECRET}@host/db")
    loaded = settings.load()
    for shown in (repr(loaded), str(loaded), loaded.model_dump_json(), repr(loaded.channels),
                  repr(loaded.channel_records())):  # fmt: skip
        assert SECRET not in shown
    assert loaded.database_url is not None
    assert SECRET in loaded.database_url.get_secret_value()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'chanels = "{SECRET}"', "chanels: nobody reads this key; see the settings in"),
        (
            '[channels.a]\nurl = "file:a"\n[subscribers.b]\nchannels = ["c"]',
            "toml): subscriber b: no channel c",
        ),
        (f'[channels.duty]\nurl = "{SECRET}"\nexcercise = true', "channels.duty.excercise"),
        (f'[channels.duty]\nsecret = "{SECRET}"', "channels.duty.url: Field required"),
        (f'lease = "{SECRET}"', "lease: "),
        (f'[catalogues.own]\nkind = "stac"\ntoken = ["{SECRET}"]', "catalogues.own.token"),
        (f'[catalogues.own]\nurl = "{SECRET}"', "own: needs a kind, being none of the ready-made"),
        ("look_attempts = 0", "look_attempts: "),
        ("prefect_port = 70000", "prefect_port: "),
        (f"lease = {SECRET}", "cannot be read as TOML"),
        ("a = 1\na = 2", "cannot be read as TOML"),
    ],
)
def test_what_does_not_fit_is_named_and_not_repeated(home: Path, text: str, words: str) -> None:
    (home / "scarpwatch.toml").write_text(text)
    with pytest.raises(ConfigurationError) as error:
        settings.load()
    assert words in str(error.value)
    assert "scarpwatch.toml" in str(error.value)
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "variable", ["SCARPWATCH_LEESE", "SCARPWATCH_CHANELS__DUTY__URL", "SCARPWATCH_DATABASE_URL_"]
)
def test_variables_nobody_reads(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, SECRET)
    with pytest.raises(ConfigurationError, match=variable) as error:
        settings.load()
    assert SECRET not in str(error.value)


def test_wrong_value_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_CHANNELS", f"not json {SECRET}")
    with pytest.raises(ConfigurationError, match=r"SCARPWATCH_ variable.*channels") as error:
        settings.load()
    assert SECRET not in str(error.value)


def test_channel_with_a_name_nobody_can_type(home: Path) -> None:
    (home / "scarpwatch.toml").write_text(f'[channels."{SECRET} x"]\nurl = "file:///x"\n')
    with pytest.raises(ConfigurationError, match="lower-case letters"):
        settings.load().channel_records()


def test_ready_made_catalogue_needs_no_more_than_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_CATALOGUES__CDSE__TOKEN", f"KEY:{SECRET}")
    known = known_catalogues(settings.load().catalogues)
    assert known["cdse"].kind == "cdse"
    assert known["cdse"].token is not None
    assert known["cdse"].token.get_secret_value() == f"KEY:{SECRET}"
    assert known["earth-search"] == READY_MADE["earth-search"]
    # No shell exports a name with a hyphen.
    monkeypatch.setenv("SCARPWATCH_CATALOGUES__OPERA_ASF__TOKEN", SECRET)
    assert known_catalogues(settings.load().catalogues)["opera-asf"].token is not None


def test_catalogue_keeps_what_is_ready_made_unless_its_kind_is_another() -> None:
    own = {"opera-cmr-stac": CatalogueSettings(kind="stac", token=SecretStr(SECRET))}
    assert known_catalogues(own)["opera-cmr-stac"].url == READY_MADE["opera-cmr-stac"].url
    other = {"opera-cmr-stac": CatalogueSettings(kind="opera-asf")}
    assert known_catalogues(other)["opera-cmr-stac"].url is None


def test_channels_can_be_named_in_the_environment(
    no_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_CHANNELS__DUTY_OFFICER__URL", "file:alerts.jsonl")
    (channel,) = settings.load().channel_records()
    assert channel.name == "duty-officer"
