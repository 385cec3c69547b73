"""Who may do what, by real logins: readers read, editors edit, groups see their regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from shapely.geometry import Point
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from db import roles, store
from db.cluster import Cluster
from db.engine import connection, make_engine, transaction
from db.inventories import store_inventory
from detectors.errors import ConfigurationError, PermanentError
from detectors.inventories import Inventory, MappedLandslide
from tests.db.conftest import World
from tests.db.test_analysts import HERE, PUBLISHED, THEN, crowded, plan  # noqa: F401
from tests.records import Make

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'scarpwatch'"


@pytest.fixture
def as_login(cluster: Cluster) -> Iterator[Callable[..., Engine]]:
    """Engines of logins made for the test; the logins go with it."""
    made: list[tuple[Engine, str, Engine]] = []

    def make(owner: Engine, login: str, **rights: Any) -> Engine:
        roles.set_login(owner, login, **rights)
        theirs = make_engine(owner.url.set(username=login).render_as_string(hide_password=False))
        made.append((owner, login, theirs))
        return theirs

    yield make
    for owner, login, theirs in made:
        theirs.dispose()
        with suppress(ConfigurationError):
            roles.remove_login(owner, login)


def answer(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with connection(engine) as opened:
        return [tuple(row) for row in opened.execute(text(query))]


def refused(engine: Engine, statement: str) -> str:
    with pytest.raises(ProgrammingError) as error, connection(engine) as opened:
        opened.execute(text(statement))
    return str(error.value.orig)


def test_a_reader_reads_every_view_and_nothing_else(world: World, as_login) -> None:
    kari = as_login(world.engine, "test_kari")
    for view in PUBLISHED:
        answer(kari, f"SELECT * FROM analysts.{view}")
    (seen,) = answer(kari, "SELECT id FROM analysts.landslides_current")
    assert seen == (world.landslide.id,)
    assert answer(kari, "SELECT id FROM analysts.landslides_as_of(now())") == [seen]
    for (table,) in answer(world.engine, TABLES):
        assert "permission denied" in refused(kari, f"SELECT * FROM scarpwatch.{table}")
    for statement in (
        "DELETE FROM analysts.landslides_edit",
        "UPDATE analysts.landslides_edit SET type = 'debris flow'",
        "INSERT INTO analysts.landslides_edit (note) VALUES ('x')",
        "SELECT scarpwatch.visible_regions('postgres')",
        "CREATE TABLE analysts.mine (x int)",
        "CREATE TABLE public.mine (x int)",
    ):
        assert "permission denied" in refused(kari, statement), statement


def test_inventories_are_seen_by_their_ground(world: World, make: Make, as_login) -> None:
    coast = make.region("coast", tags=("coast",))
    terms = Inventory("mine", "a.gpkg", "", "", "CC BY 4.0", "Survey")
    inside = MappedLandslide("mine", 1, coast.geometry.representative_point())
    beyond = MappedLandslide("mine", 2, Point(10, 10))
    with world.open() as s:
        store.save_region(s, coast)
        store_inventory(s, terms, [inside, beyond])
    query = "SELECT file_row, licence FROM analysts.inventory_landslides ORDER BY file_row"
    whole, part = (1, "CC BY 4.0"), (2, "CC BY 4.0")
    assert answer(world.engine, query) == [whole, part]
    assert answer(as_login(world.engine, "test_all"), query) == [whole, part]
    assert answer(as_login(world.engine, "test_coast", groups=["coast"]), query) == [whole]
    with connection(world.engine) as opened:
        opened.execute(text("DELETE FROM scarpwatch.readers"))
    theirs = make_engine(
        world.engine.url.set(username="test_all").render_as_string(hide_password=False)
    )
    assert answer(theirs, query) == [], "who is not listed sees nothing"
    theirs.dispose()
    with connection(world.engine) as opened:
        opened.execute(
            text("INSERT INTO scarpwatch.readers (login) VALUES ('test_all'), ('test_coast')")
        )


def test_groups_see_their_regions_and_nobody_sees_without_being_listed(
    world: World, make: Make, as_login
) -> None:
    coast = make.region("coast", tags=("nve", "coast"))
    look = make.acquisition(3)
    found = make.detection(look, 40, region_id="coast")
    with world.open() as s:
        store.save_region(s, coast)
        store.save_region(s, replace(world.region, tags=("inland",)))
        store.record_acquisitions(s, coast, [look])
        store.store_detections(s, [found])
        store.store_landslide(s, make.landslide(found, cause="7"))
    count = "SELECT region_id, count(*) FROM analysts.{} GROUP BY 1 ORDER BY 1"
    nve = as_login(world.engine, "test_nve", groups=["nve"])
    both = as_login(world.engine, "test_both", groups=["coast", "inland"])
    everywhere = as_login(world.engine, "test_all")
    for view in ("landslides_current", "landslide_history", "landslides_edit",
                 "landslides_as_of(now())"):  # fmt: skip
        assert answer(nve, count.format(view)) == [("coast", 1)], view
        for engine in (both, everywhere, world.engine):
            assert answer(engine, count.format(view)) == [("coast", 1), ("san-rafael", 1)]
    assert answer(nve, count.format("detections")) == [("coast", 1)]
    # What a query computes never meets a hidden row: this would fail on it and quote it.
    peek = "SELECT 1 FROM analysts.landslides_current WHERE cause::int > 0"
    with pytest.raises(PermanentError, match=world.landslide.cause):
        answer(everywhere, peek)
    assert answer(nve, peek) == [(1,)]
    with transaction(world.engine) as s:
        s.execute(text("DELETE FROM scarpwatch.readers WHERE login = 'test_all'"))
    assert answer(everywhere, count.format("landslides_current")) == []
    roles.set_login(world.engine, "test_all")
    assert len(answer(everywhere, count.format("landslides_current"))) == 2


def test_a_login_made_for_one_database_sees_nothing_in_another(
    world: World, as_login, make_database, template, url_of
) -> None:
    kari = as_login(world.engine, "test_kari")
    name = make_database(template)
    other = make_engine(url_of(name))
    roles.ensure_roles(other)
    with transaction(other) as s:
        store.save_region(s, world.region)
    there = make_engine(url_of(name).replace("://postgres@", "://test_kari@"))
    query = "SELECT scarpwatch.visible_regions(current_user)"
    assert answer(other, query) == [("san-rafael",)]
    assert answer(there, "SELECT * FROM analysts.landslides_current") == []
    assert len(answer(kari, "SELECT * FROM analysts.landslides_current")) == 1
    for engine in (other, there):
        engine.dispose()


def test_a_box_reaches_the_index_behind_the_barrier_too(crowded: Engine, as_login) -> None:  # noqa: F811
    query = f"SELECT * FROM analysts.landslides_current WHERE {HERE}"
    nve = as_login(crowded, "test_coast", groups=["coast"])
    planned = plan(nve, query)
    assert "idx_landslide_versions_geometry" in planned, planned
    assert len(answer(nve, query)) == len(answer(crowded, query)) > 0
    planned = plan(nve, f"SELECT * FROM analysts.landslides_current WHERE {THEN}")
    assert "ix_landslide_versions_not_after" in planned, planned


def test_logins_are_listed_changed_and_removed(world: World, as_login) -> None:
    as_login(world.engine, "test_ola", editor=True, groups=None)
    with world.open() as s:
        store.save_region(s, replace(world.region, tags=("inland",)))
    roles.set_login(world.engine, "test_ola", groups=["inland"])
    assert roles.list_logins(world.engine) == [
        roles.LoginRecord("test_ola", exists=True, editor=False, groups=("inland",))
    ]
    barrier = (
        "SELECT count(*) FROM pg_class WHERE 'security_barrier=true' = ANY (reloptions)"
        " AND relnamespace = 'analysts'::regnamespace"
    )
    assert answer(world.engine, barrier) == [(len(PUBLISHED),)]
    roles.remove_login(world.engine, "test_ola")
    assert roles.list_logins(world.engine) == []
    assert answer(world.engine, barrier) == [(0,)]
    gone = "SELECT count(*) FROM pg_roles WHERE rolname = 'test_ola'"
    assert answer(world.engine, gone) == [(0,)]
    with pytest.raises(ConfigurationError, match="does not read this database"):
        roles.remove_login(world.engine, "test_ola")


@pytest.mark.parametrize("login", ["", "Kari", "pg_kari", "k-a", "1a", 'a"b', "scarpwatch_reader"])
def test_a_name_that_cannot_be_typed_is_refused(world: World, login: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a login"):
        roles.set_login(world.engine, login)


def test_what_cannot_be_granted_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="no region is tagged alps"):
        roles.set_login(world.engine, "test_x", groups=["alps"])
    with pytest.raises(ConfigurationError, match="name a group"):
        roles.set_login(world.engine, "test_x", groups=[])
    with pytest.raises(ConfigurationError, match="superuser"):
        roles.set_login(world.engine, "postgres")
    assert roles.list_logins(world.engine) == []
    known = answer(world.engine, "SELECT count(*) FROM pg_roles WHERE rolname = 'test_x'")
    assert known == [(0,)]


def test_a_user_who_may_not_make_roles_is_told_whom_to_ask(world: World, as_login) -> None:
    modest = as_login(world.engine, "test_modest")
    with pytest.raises(ConfigurationError, match="CREATEROLE"):
        roles.set_login(modest, "test_x")


def test_a_password_is_never_sent_as_it_is(world: World, as_login, cluster: Cluster) -> None:
    as_login(world.engine, "test_secret", password="correct horse % battery")
    (stored,) = answer(
        world.engine, "SELECT rolpassword FROM pg_authid WHERE rolname = 'test_secret'"
    )
    assert stored[0].startswith("SCRAM-SHA-256$")
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            roles.set_login(world.engine, "test_secret", password="correct horse 2")
        finally:
            admin.execute("ALTER SYSTEM RESET log_statement")
            admin.execute("SELECT pg_reload_conf()")
    log = (cluster.home / "pg").resolve() / "server.log"
    said = log.read_text(errors="replace")
    assert 'ALTER ROLE "test_secret"' in said, "the statement is logged"
    assert "correct horse" not in said


def test_a_view_that_is_made_anew_gets_its_barrier_back(world: World, as_login) -> None:
    with world.open() as s:
        store.save_region(s, replace(world.region, tags=("inland",)))
    as_login(world.engine, "test_inland", groups=["inland"])
    open_ones = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'analysts'::regnamespace"
        " AND relkind = 'v' AND NOT coalesce('security_barrier=true' = ANY (reloptions), false)"
    )
    with world.open() as s:
        s.execute(text("ALTER VIEW analysts.detections RESET (security_barrier)"))
    assert answer(world.engine, open_ones) == [("detections",)]
    roles.ensure_roles(world.engine)
    assert answer(world.engine, open_ones) == []
