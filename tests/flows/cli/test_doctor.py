"""The doctor: every check in order, and every way it can be out of order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from db import facts, store
from db.engine import transaction
from detectors.errors import ConfigurationError
from flows import attention, doctor, settings

CHANNELS = """
[channels.duty]
url = "file://{folder}/live.jsonl"
[channels.drill]
url = "file://{folder}/drill.jsonl"
exercise = true
[cap]
sender = "alerts.example.org"
"""


@pytest.fixture
def checks(cli: Any) -> Callable[[], dict[str, doctor.Check]]:
    """Asks the doctor; needs ``cli`` for its environment."""

    def ask() -> dict[str, doctor.Check]:
        return {check.name: check for check in doctor.examine(settings.load())}

    return ask


@pytest.fixture
def catalogue(misbehaving: Any, reply: Any) -> Any:
    """A STAC API that answers its landing page."""
    landing = {
        "type": "Catalog", "id": "local", "title": "Looks of the coast", "description": "x",
        "stac_version": "1.0.0", "links": [],
        "conformsTo": ["https://api.stacspec.org/v1.0.0/core"],
    }  # fmt: skip
    misbehaving.on("/", reply(landing))
    return misbehaving


@pytest.fixture
def in_order(home: Path, catalogue: Any, engine: Engine, make_region: Any, tmp_path: Path) -> None:
    """Settings with channels and a catalogue, and a region that was just polled."""
    (home / "scarpwatch.toml").write_text(
        CHANNELS.format(folder=tmp_path)
        + f'[catalogues.local]\nkind = "stac"\nurl = "{catalogue.url}"\n'
    )
    region, now = make_region("slope"), datetime.now(UTC)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.finish_polls(s, ["slope"], region.sources[0], now, now)


@pytest.mark.usefixtures("in_order")
def test_everything_in_order(cli: Any, read: Any) -> None:
    found = read("doctor")
    assert found["ok"]
    assert {(check["name"], check["state"]) for check in found["checks"]} == {
        (name, "ok")
        for name in ("python", "settings", "disk", "weights", "models", "database", "clock",
                     "schema", "regions", "catalogue local", "channel duty", "channel drill")
    }  # fmt: skip
    said = {check["name"]: check["said"] for check in found["checks"]}
    assert "Looks of the coast" in said["catalogue local"]
    assert said["weights"] == doctor.EXPECTED_WEIGHTS
    assert said["database"].startswith("PostgreSQL 1")
    assert "in order" in cli("doctor").stdout


@pytest.mark.usefixtures("in_order")
def test_catalogue_that_fails(catalogue: Any, reply: Any, checks: Any, cli: Any) -> None:
    catalogue.on("/", reply({"detail": "busy"}, status=503))
    check = checks()["catalogue local"]
    assert check.state == "fail"
    assert "503" in check.said
    assert "[catalogues.local]" in check.advice
    assert len(catalogue.asked) == 1  # one try: a person waits
    told = cli("doctor", status=1)
    assert "1 check failed" in told.stdout


def test_region_without_catalogue_token_and_channel(
    checks: Any, engine: Engine, make_region: Any
) -> None:
    with transaction(engine) as s:
        store.save_region(s, make_region("asf", sources=("opera-asf/OPERA_L2_RTC-S1_V1",)))
        store.save_region(s, make_region("lost", sources=("gone/any",)))
    found = checks()
    assert "Earthdata token" in found["catalogue opera-asf"].said
    assert found["catalogue gone"].state == "fail"
    assert found["regions"].said == "2 watched; a source never read yet: asf, lost"
    assert "nobody is told of: asf, lost" in found["alerts"].said
    assert found["alerts"].state == "warn"


def test_channel_that_can_never_work(home: Path, checks: Any) -> None:
    (home / "scarpwatch.toml").write_text('[channels.odd]\nurl = "nonsense:hush-hush"\n')
    check = checks()["channel odd"]
    assert check.state == "fail"
    assert "[channels.odd]" in check.advice
    assert "hush" not in str(check)


def test_live_messages_need_a_sender_of_ones_own(home: Path, checks: Any, tmp_path: Path) -> None:
    for flag, warned in (("false", True), ("true", False)):
        own = f'[channels.one]\nurl = "file://{tmp_path}/x.jsonl"\nexercise = {flag}\n'
        (home / "scarpwatch.toml").write_text(own)
        assert ("cap" in checks()) is warned
    (home / "scarpwatch.toml").write_text('[cap]\nsender = "two words"\n')
    with pytest.raises(ConfigurationError, match="no blanks, commas"):
        settings.load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_this_user_may_not_write(home: Path, checks: Any) -> None:
    (home / "scarpwatch.toml").write_text('[channels.log]\nurl = "file:///usr/alerts.jsonl"\n')
    check = checks()["channel log"]
    assert (check.state, check.said) == (
        "fail", "channel log: this user may not write the alert file, or its folder",
    )  # fmt: skip


def test_a_channel_of_an_unknown_language(home: Path, checks: Any, tmp_path: Path) -> None:
    text = f'[channels.log]\nurl = "file://{tmp_path}/log.jsonl"\nlanguages = '
    (home / "scarpwatch.toml").write_text(f'{text}["nb", "en"]\n')
    assert "nb, en" in checks()["channel log"].said
    (home / "scarpwatch.toml").write_text(f'{text}["tlh"]\n')
    assert "known: en, nb" in checks()["channel log"].said


def test_no_channel_at_all(checks: Any) -> None:
    assert checks()["alerts"].said == "no channel is set"


def test_schema_that_is_missing(
    checks: Any, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", empty_database_url)
    found = checks()
    assert found["database"].state == "ok"
    assert (found["schema"].state, found["schema"].advice) == ("fail", "run: scarpwatch db upgrade")


def test_database_that_is_gone(
    home: Path, checks: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (home / "scarpwatch.toml").write_text(
        CHANNELS.format(folder=tmp_path)
        + '[subscribers.county]\nchannels = ["duty"]\nareas = ["region:slope"]\n'
    )
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/x")
    found = checks()
    check = found["database"]
    assert check.state == "fail"
    assert "SCARPWATCH_DATABASE_URL" in check.advice
    assert "hush" not in str(check)
    # Which regions are watched is not known then.
    assert (found["subscriber county"].state, "not watched" in str(found)) == ("ok", False)


def test_no_private_database_yet(checks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCARPWATCH_DATABASE_URL")
    check = checks()["database"]
    assert (check.state, check.advice) == ("fail", None)
    assert "scarpwatch db start" in check.said


@pytest.mark.parametrize(
    ("free", "state"), [(500_000_000, "fail"), (3_000_000_000, "warn"), (50_000_000_000, "ok")]
)
def test_disk(monkeypatch: pytest.MonkeyPatch, home: Path, free: int, state: str) -> None:
    usage = type(shutil.disk_usage(home))(10**12, 10**12 - free, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    check = doctor._disk(home / "not" / "there" / "yet")
    assert check.state == state
    assert (check.advice is None) is (state == "ok")


@pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (20, "warn"), (-3_600, "fail")])
def test_clocks_that_differ(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, seconds: int, state: str
) -> None:
    real = facts.server_facts(engine)

    def shifted(_: Engine) -> facts.ServerFacts:
        clock = datetime.now(UTC) + timedelta(seconds=seconds)
        return facts.ServerFacts(real.version, real.postgis, real.size_bytes, clock)

    monkeypatch.setattr(facts, "server_facts", shifted)
    assert doctor._clock(engine).state == state


def test_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXPECTED_WEIGHTS", "distmetrics-0/other/000000000000")
    check = doctor._weights()
    assert check.state == "fail"
    assert "who is alerted" in str(check.advice)


def test_python_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 0))
    assert doctor._python().state == "fail"


def test_exercise_left_on(checks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCARPWATCH_EXERCISE", "true")
    assert checks()["settings"].state == "warn"


def test_overdue(make_region: Any, engine: Engine) -> None:
    from db import queries

    region, now = make_region("slope"), datetime.now(UTC)
    source = region.sources[0]
    assert attention.overdue(region, [], now)
    assert not attention.overdue(make_region("slope", paused=True), [], now)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.finish_polls(s, ["slope"], source, now, now)
        store.finish_polls(s, ["slope"], source, None, now + timedelta(hours=1), error="busy")
        polls = queries.list_polls(s)
    assert not attention.overdue(region, polls, now + timedelta(minutes=89))
    assert attention.overdue(region, polls, now + timedelta(minutes=91))


def test_a_region_that_was_read_once(checks: Any, engine: Engine, make_region: Any) -> None:
    region, before = make_region("slope"), datetime.now(UTC) - timedelta(days=1)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.finish_polls(s, ["slope"], region.sources[0], before, before)
    assert checks()["regions"].said == "1 watched; not read for long: slope"


def test_told(home: Path, tmp_path: Path, make_region: Any) -> None:
    (home / "scarpwatch.toml").write_text(
        CHANNELS.format(folder=tmp_path) + '[channels.coast]\nurl = "file:///x"\ntags = ["coast"]\n'
    )
    loaded = settings.load()
    assert attention.told(loaded, make_region("a")) == ("duty",)
    assert attention.told(loaded, make_region("a", tags=("coast",))) == ("coast", "duty")
    assert attention.told(loaded, make_region("a", simulated=True)) == ("drill",)
    exercise = settings.load(exercise=True)
    assert attention.told(exercise, make_region("a")) == ("drill",)
