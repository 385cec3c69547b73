"""``scarpwatch db views`` and ``scarpwatch db roles``: what analysts query, and who may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from db import roles, store
from db.engine import transaction
from db.views import list_views, page
from detectors.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
LOGIN = "test_cli_kari"


@pytest.fixture
def login(engine: Engine) -> Iterator[str]:
    """The name of a login that goes with the test."""
    yield LOGIN
    with suppress(ConfigurationError):
        roles.remove_login(engine, LOGIN)


def test_the_page_of_the_views_is_what_the_database_says(engine: Engine, cli: Any) -> None:
    written = (ROOT / "db" / "VIEWS.md").read_text(encoding="utf-8")
    stale = "stale: scarpwatch db views --markdown > db/VIEWS.md"
    assert written == page(list_views(engine)), stale
    assert cli("db", "views", "--markdown").stdout == written


def test_views_are_listed_for_people_and_programs(engine: Engine, cli: Any, read: Any) -> None:
    document = read("db", "views", "--json")
    (current,) = (one for one in document["views"] if one["name"] == "landslides_current")
    assert {"name": "length_m", "kind": "double precision",
            "says": "Longer side of the narrowest rectangle around the outline, m."} in current[
        "columns"]  # fmt: skip
    said = cli("db", "views").stdout
    assert "analysts.landslides_as_of(at timestamptz, valid_at timestamptz)" in said
    assert "EXERCISE" in said


def test_a_login_from_first_to_last(
    engine: Engine, database_url: str, cli: Any, read: Any, login: str, tmp_path: Path,
    make_region: Any,
) -> None:  # fmt: skip
    with transaction(engine) as s:
        store.save_region(s, make_region("coast", tags=("nve",)))
    assert "Nobody reads the views yet" in cli("db", "roles", "list").stdout
    secret = tmp_path / "password"
    secret.write_text("correct horse battery\n")
    said = cli("db", "roles", "add", login, "--group", "nve", "--password-file", secret).output
    assert f"{login} reads, and sees regions tagged nve" in said
    assert "correct horse" not in said
    theirs = database_url.replace("://postgres@", f"://{login}@")
    with psycopg.connect(theirs) as connection:
        assert connection.execute("SELECT count(*) FROM analysts.detections").fetchone() == (0,)
    assert read("db", "roles", "list", "--json") == {
        "logins": [{"login": login, "exists": True, "editor": False, "groups": ["nve"]}]
    }
    said = cli("db", "roles", "add", login, "--editor", "--password-file", "-",
               answer="another\nanother\n").output  # fmt: skip
    assert "reads and edits, and sees all regions" in said
    assert "another" not in said
    assert "all regions" in cli("db", "roles", "list").stdout
    assert "is gone" in cli("db", "roles", "remove", login).stdout
    assert "no region is tagged alps" in cli(
        "db", "roles", "add", login, "--group", "alps", status=2
    ).output.replace("\n", " ")  # fmt: skip


@pytest.mark.parametrize("content", [None, "", "\nsecond line"])
def test_a_file_without_a_password_is_refused(
    engine: Engine, cli: Any, login: str, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    said = cli("db", "roles", "add", login, "--password-file", file, status=2).output
    assert "password" in said
    assert roles.list_logins(engine) == []


def test_upgrading_makes_the_roles(engine: Engine, cli: Any) -> None:
    assert "Nobody else" not in cli("db", "upgrade").stdout
    with engine.connect() as opened:
        found = opened.exec_driver_sql(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'scarpwatch_') ORDER BY 1"
        )
        assert found.scalars().all() == ["scarpwatch_editor", "scarpwatch_reader"]
