"""The database as a file and back: dumped, dropped, restored, and the watch goes on."""

from __future__ import annotations

import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from db import roles
from tests.watching import Watch


@pytest.fixture
def drop(url_of: Callable[[str], str]) -> Callable[..., None]:
    """Drops a database, and makes an empty one of its name."""

    def do(name: str) -> None:
        with psycopg.connect(url_of("postgres"), autocommit=True) as connection:
            for statement in (
                "DROP DATABASE {} WITH (FORCE)", "CREATE DATABASE {} TEMPLATE template0",
            ):  # fmt: skip
                connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    return do


@pytest.fixture
def analyst(engine: Any) -> Iterator[str]:
    """A login that reads the views; the server forgets it at the end."""
    login = f"ana_{uuid.uuid4().hex[:8]}"
    roles.set_login(engine, login)
    yield login
    if login in {one.login for one in roles.list_logins(engine)}:
        roles.remove_login(engine, login)


def seen(w: Watch, login: str) -> int:
    """Return how many landslides a login of analysts sees."""
    with w.open() as s:
        s.execute(text(f"SET LOCAL ROLE {login}"))
        return int(s.scalar(text("SELECT count(*) FROM analysts.landslides_current")))


def test_dump_drop_restore_and_the_watch_goes_on(
    served: Callable[..., Watch], cli: Any, read: Any, drop: Callable[[str], None], analyst: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    w = served()
    engine = w.services.engine
    w.reach()
    w.poll()
    assert [one.state for one in w.detect(2)] == ["processed"] * 2
    before = w.rows()
    file = tmp_path / "watch.dump"
    said = read("db", "backup", file)
    assert said["size_bytes"] == file.stat().st_size > 10_000
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already" in cli("db", "backup", file, status=2).output
    assert [one.state for one in w.detect()] == ["processed"] * 2
    ahead = w.rows()
    assert len(ahead["landslides"]) == 1

    drop(str(engine.url.database))
    engine.dispose()
    back = read("db", "restore", file)
    assert back["schema"]["before"] == back["schema"]["after"] == said["schema"]
    assert back["logins_to_make"] == []
    assert w.rows() == before, "every row of every table, as it was"
    assert seen(w, analyst) == 0, "rights on the views are given anew"
    assert w.poll().new == 0, "what was known is known"
    assert [one.state for one in w.detect()] == ["processed"] * 2
    assert w.rows() == ahead, "and all that was lost is found again, under the same names"
    assert seen(w, analyst) == 1
    assert cli("db", "upgrade").stdout.startswith("The schema is up to date")


def test_a_database_in_use_is_kept_under_another_name(
    served: Callable[..., Watch], cli: Any, read: Any, url_of: Callable[[str], str], tmp_path: Path
) -> None:
    w = served()
    file = tmp_path / "watch.dump"
    read("db", "backup", file)
    w.sql("UPDATE regions SET name = 'Since then'")
    w.services.engine.dispose()
    assert "--aside keeps it" in " ".join(cli("db", "restore", file, status=2).output.split())
    kept = read("db", "restore", file, "--aside")["kept_as"]
    try:
        assert w.sql("SELECT name FROM regions") == [("Slope",)]
        with psycopg.connect(url_of(kept)) as connection:
            found = connection.execute("SELECT name FROM scarpwatch.regions").fetchall()
        assert found == [("Since then",)]
    finally:
        with psycopg.connect(url_of("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(kept)))


def test_what_is_no_backup_changes_nothing(
    served: Callable[..., Watch], cli: Any, tmp_path: Path
) -> None:
    w = served()
    before = w.rows()
    cut, other = tmp_path / "cut.dump", tmp_path / "other.dump"
    cli("db", "backup", cut)
    other.write_text("SELECT 1")
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) // 3])
    for file, why in ((other, "no backup"), (tmp_path / "none", "no backup")):
        said = cli("db", "restore", file, "--aside", status=2).output
        assert why in " ".join(said.split())
    assert w.rows() == before
    cli("db", "restore", cut, status=2)
    assert w.rows() == before


def test_logins_that_the_server_lost_are_named(
    served: Callable[..., Watch], read: Any, drop: Callable[[str], None], engine: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    served()
    login = f"gone_{uuid.uuid4().hex[:8]}"
    roles.set_login(engine, login)
    file = tmp_path / "watch.dump"
    read("db", "backup", file)
    roles.remove_login(engine, login)
    drop(str(engine.url.database))
    engine.dispose()
    assert read("db", "restore", file)["logins_to_make"] == [login]
