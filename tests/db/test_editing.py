"""Outlines drawn, merged and split by people through ``analysts.landslides_edit``, as QGIS does."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Engine, text

from db import queries, roles, store
from db.engine import connection, make_engine
from detectors.drawing import made_one, made_two, redrawn
from detectors.errors import PermanentError
from detectors.types import Cause, Drawn, Kind, Landslide, State
from tests.db.conftest import World
from tests.records import Make

ROOT = Path(__file__).resolve().parents[2]
AUTHOR = "test_editor"
REDRAW = "UPDATE analysts.landslides_edit SET geometry = :geometry, note = :note WHERE id = :id"
SPLIT = "INSERT INTO analysts.landslides_edit (split_from, geometry) VALUES (:of, :geometry)"
MERGE = "UPDATE analysts.landslides_edit SET merged_into = :into WHERE id = :id"
DELETE = "DELETE FROM analysts.landslides_edit WHERE id = :id"


@pytest.fixture
def editor(world: World) -> Iterator[Engine]:
    """A real login that may edit."""
    roles.set_login(world.engine, AUTHOR, editor=True)
    theirs = make_engine(
        world.engine.url.set(username=AUTHOR).render_as_string(hide_password=False)
    )
    yield theirs
    theirs.dispose()
    roles.remove_login(world.engine, AUTHOR)


def run(engine: Engine, statement: str, **values: Any) -> Any:
    bound = {
        key: shapely.to_wkb(as_multi(value)) if isinstance(value, BaseGeometry) else value
        for key, value in values.items()
    }
    with connection(engine) as opened:
        whole = statement.replace(":geometry", "ST_GeomFromWKB(:geometry, 4326)")
        done = opened.execute(text(whole), bound)
        return done.mappings().all() if done.returns_rows else done.rowcount


def as_multi(drawn: BaseGeometry) -> BaseGeometry:
    """What QGIS sends to a layer of multipolygons."""
    return (
        MultiPolygon([drawn] if not drawn.is_empty else [])
        if drawn.geom_type == "Polygon"
        else drawn
    )


def latest(world: World, landslide_id: uuid.UUID) -> Landslide:
    with world.open() as s:
        found = queries.get_landslide(s, landslide_id)
    assert found is not None
    return found


def history(world: World, landslide_id: uuid.UUID) -> list[Landslide]:
    with world.open() as s:
        return queries.landslide_history(s, landslide_id)


@pytest.fixture
def two(world: World, make: Make) -> tuple[Landslide, Landslide]:
    """The landslide of the world, and one more beside it."""
    found = make.detection(world.acquisition, 3)
    other = make.landslide(found, area_m2=9_000.0, looks=1, evidence=300.0)
    with world.open() as s:
        store.store_detections(s, [found])
        store.store_landslide(s, other)
    return world.landslide, other


WEST = box(-119.701, 34.499, -119.696, 34.503)


def test_a_redrawn_outline_is_a_new_version_with_its_author(world: World, editor: Engine) -> None:
    before = world.landslide
    assert run(editor, REDRAW, id=before.id, geometry=WEST, note="field survey") == 1
    now = latest(world, before.id)
    assert (now.revision, now.drawn_by, now.cause_kind) == (2, AUTHOR, Cause.PERSON)
    assert now.cause == f"redrawn by {AUTHOR}: field survey"
    assert now.geometry == MultiPolygon([WEST])
    assert now.area_m2 == pytest.approx(204_000, rel=0.01)
    kept = ("state", "tier", "detections", "not_before", "not_after", "reviewed_by", "kind")
    assert [getattr(now, name) for name in kept] == [getattr(before, name) for name in kept]
    with world.open() as s:
        assert queries.landslide_history(s, before.id)[0] == before, "history stays"
        stands = queries.landslide_timeline(s, before.id)
    assert [one.revision for one in stands] == [1, 2]
    (row,) = run(editor, "SELECT * FROM analysts.landslides_current")
    assert (row["mapping_source"], row["drawn_by"]) == ("person", AUTHOR)
    assert row["length_m"] == pytest.approx(459, rel=0.01)
    (edit,) = run(world.engine, "SELECT * FROM scarpwatch.outline_edits")
    assert (edit["kind"], edit["author"], edit["reason"]) == ("redraw", AUTHOR, "field survey")


def test_what_a_person_says_is_kept_with_author_and_time(world: World, editor: Engine) -> None:
    say = "UPDATE analysts.landslides_edit SET {} WHERE id = :id"
    run(editor, say.format("type = 'debris flow', \"trigger\" = 'rainfall', note = 'seen'"),
        id=world.landslide.id)  # fmt: skip
    run(editor, say.format("land_cover = 'forest', mapping_source = 'air photo'"),
        id=world.landslide.id)  # fmt: skip
    (now,) = run(editor, "SELECT * FROM analysts.landslides_current")
    said = ("type", "trigger", "land_cover", "mapping_source")
    assert [now[name] for name in said] == ["debris flow", "rainfall", "forest", "air photo"]
    assert (now["revision"], now["drawn_by"]) == (1, None), "the outline stays the radar's"
    first, second = run(editor, "SELECT * FROM analysts.landslide_attributes ORDER BY number")
    assert (first["author"], first["note"], first["mapping_source"]) == (AUTHOR, "seen", None)
    (then,) = run(editor, "SELECT * FROM analysts.landslides_as_of(:at)", at=first["recorded_at"])
    assert [then[name] for name in said] == ["debris flow", "rainfall", None, "radar look"]
    assert run(editor, say.format("type = type"), id=world.landslide.id) == 1
    assert len(run(editor, "SELECT * FROM analysts.landslide_attributes")) == 2, "nothing new"
    for wrong in ("type = 'big'", "\"trigger\" = 'rain'"):
        with pytest.raises(PermanentError, match="ck_landslide_attributes_"):
            run(editor, say.format(wrong), id=world.landslide.id)
    assert second["recorded_at"] > first["recorded_at"]


def test_merging_by_name_keeps_both_histories(world: World, editor: Engine, two) -> None:
    stays, gone = two
    run(editor, MERGE, id=gone.id, into=stays.id)
    whole, part = latest(world, stays.id), latest(world, gone.id)
    assert (part.state, part.merged_into, part.drawn_by) == (State.CLOSED, stays.id, None)
    assert (whole.merged_from, whole.drawn_by) == ((gone.id,), AUTHOR)
    assert whole.geometry.equals(shapely.union(stays.geometry, gone.geometry))
    assert whole.detections == (*stays.detections, *gone.detections)
    assert (whole.evidence, whole.looks) == (300.0, 1)
    with world.open() as s:
        assert len(queries.landslide_detections(s, stays.id)) == 3
    assert [row["id"] for row in run(editor, "SELECT id FROM analysts.landslides_edit")] == [
        stays.id
    ]
    with pytest.raises(PermanentError, match="UnknownLandslide"):
        run(editor, MERGE, id=stays.id, into=uuid.uuid4())
    with pytest.raises(PermanentError, match=r"NotEditable: .* is part of"):
        run(editor, MERGE, id=stays.id, into=gone.id)


def test_merging_as_qgis_does_draws_one_and_deletes_the_other(
    world: World, editor: Engine, two
) -> None:
    stays, gone = two
    with pytest.raises(PermanentError, match="NotDeletable"):
        run(editor, DELETE, id=gone.id)
    union = shapely.union(stays.geometry, gone.geometry)
    run(editor, REDRAW, id=stays.id, geometry=union, note=None)
    assert run(editor, DELETE, id=gone.id) == 1
    assert latest(world, gone.id).merged_into == stays.id
    whole = latest(world, stays.id)
    assert (whole.revision, whole.merged_from) == (3, (gone.id,))
    assert whole.geometry.equals(union)


@pytest.mark.parametrize("shrunk_first", [True, False])
def test_splitting_makes_two_of_one(world: World, editor: Engine, shrunk_first: bool) -> None:
    whole = world.landslide
    here, there = whole.geometry.geoms
    if shrunk_first:  # QGIS changes the feature that is there, then adds the new one
        run(editor, REDRAW, id=whole.id, geometry=here, note=None)
        copied = (
            "INSERT INTO analysts.landslides_edit (id, type, mapping_source, geometry)"
            " VALUES (:of, 'debris flow', 'person', :geometry) RETURNING id, split_from"
        )
    else:
        copied = SPLIT + " RETURNING id, split_from"
    ((made),) = run(editor, copied, of=whole.id, geometry=there)
    assert made["split_from"] == whole.id
    kept, part = latest(world, whole.id), latest(world, made["id"])
    assert (part.revision, part.split_from, part.state) == (1, whole.id, whole.state)
    assert kept.split_into == (part.id,)
    assert part.geometry == MultiPolygon([there])
    assert kept.geometry.equals(here)
    assert (part.detections, part.drawn_by, kept.drawn_by) == (whole.detections, AUTHOR, AUTHOR)
    with world.open() as s:
        assert len(queries.landslide_detections(s, part.id)) == len(whole.detections)
    rows = run(editor, "SELECT id, type FROM analysts.landslides_current")
    types = {row["id"]: row["type"] for row in rows}
    assert types == {whole.id: "unknown", part.id: "debris flow" if shrunk_first else "unknown"}


BOW = Polygon([(-119.70, 34.50), (-119.698, 34.502), (-119.698, 34.50), (-119.70, 34.502)])


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        (BOW, "InvalidOutline: self-intersection"),
        (Polygon(), "InvalidOutline: it is empty"),
        (box(10, 10, 11, 11), "InvalidOutline: it shares no ground"),
        (box(-119.7, 34.5, -119.698, 100), "InvalidOutline: it lies outside the world"),
    ],
)
def test_what_is_no_outline_is_refused_by_name(
    world: World, editor: Engine, drawn: BaseGeometry, why: str
) -> None:
    with pytest.raises(PermanentError, match=why):
        run(editor, REDRAW, id=world.landslide.id, geometry=drawn, note=None)
    with pytest.raises(PermanentError, match="InvalidOutline"):
        run(editor, SPLIT, of=world.landslide.id, geometry=drawn)
    assert latest(world, world.landslide.id) == world.landslide
    assert run(world.engine, "SELECT * FROM scarpwatch.outline_edits") == []


def test_projected_outlines_and_whole_splits_are_refused(world: World, editor: Engine) -> None:
    with pytest.raises(PermanentError, match=r"SRID .32611. does not match column SRID"):
        run(
            editor,
            "UPDATE analysts.landslides_edit SET geometry ="
            " ST_Multi(ST_MakeEnvelope(0, 0, 9, 9, 32611))",
        )
    with pytest.raises(PermanentError, match=r"Point. does not match column type .MultiP"):
        run(editor, REDRAW, id=world.landslide.id, geometry=shapely.Point(0, 0), note=None)
    with pytest.raises(PermanentError, match="nothing is left"):
        run(editor, SPLIT, of=world.landslide.id, geometry=world.landslide.geometry.envelope)
    with pytest.raises(PermanentError, match="split_from is missing"):
        run(editor, SPLIT, of=None, geometry=WEST)
    with pytest.raises(PermanentError, match="UnknownLandslide"):
        run(editor, SPLIT, of=uuid.uuid4(), geometry=WEST)


@pytest.mark.parametrize(
    "change",
    ["state = 'confirmed'", "tier = 'watch'", "simulated = true", "id = gen_random_uuid()",
     "revision = 7", "drawn_by = 'somebody'", "not_after = now()", "exercise = true"],
)  # fmt: skip
def test_only_outlines_and_descriptions_are_edited(world: World, editor: Engine, change) -> None:
    column = change.split(" ")[0]
    with pytest.raises(PermanentError, match=f"NotEditable: {column}"):
        run(editor, f"UPDATE analysts.landslides_edit SET {change}")
    assert latest(world, world.landslide.id) == world.landslide


def test_what_does_not_belong_together_is_not_merged(
    world: World, editor: Engine, two, make: Make
) -> None:
    stays, gone = two
    with pytest.raises(PermanentError, match="the same landslide"):
        run(editor, MERGE, id=stays.id, into=stays.id)
    with world.open() as s:
        store.store_landslide(
            s, replace(gone, revision=2, state=State.CONFIRMED, cause="seen", valid_from=make.now)
        )
    with pytest.raises(PermanentError, match="confirmed and the other suspected"):
        run(editor, MERGE, id=gone.id, into=stays.id)
    pond = make.landslide(
        make.detection(world.acquisition, 9, kind=Kind.PONDING), kind=Kind.PONDING
    )
    with world.open() as s:
        store.store_detections(s, [make.detection(world.acquisition, 9, kind=Kind.PONDING)])
        store.store_landslide(s, pond)
    with pytest.raises(PermanentError, match="one is a ponding and the other a landslide"):
        run(editor, MERGE, id=pond.id, into=stays.id)


def test_an_editor_with_groups_edits_only_there(world: World, editor: Engine, make: Make) -> None:
    coast, look = make.region("coast", tags=("nve",)), make.acquisition(3)
    found = make.detection(look, 40, region_id="coast")
    beyond = make.landslide(found)
    with world.open() as s:
        store.save_region(s, replace(world.region, tags=("inland",)))
        store.save_region(s, coast)
        store.record_acquisitions(s, coast, [look])
        store.store_detections(s, [found])
        store.store_landslide(s, beyond)
    with pytest.raises(PermanentError, match="different regions"):
        run(editor, MERGE, id=world.landslide.id, into=beyond.id)
    roles.set_login(world.engine, AUTHOR, editor=True, groups=["inland"])
    shape = beyond.geometry.envelope
    assert run(editor, REDRAW, id=beyond.id, geometry=shape, note=None) == 0
    for statement, values in (
        (MERGE, {"id": world.landslide.id, "into": beyond.id}),
        (SPLIT, {"of": beyond.id, "geometry": shape}),
    ):
        with pytest.raises(PermanentError, match="UnknownLandslide"):
            run(editor, statement, **values)
    assert run(editor, REDRAW, id=world.landslide.id, geometry=WEST, note=None) == 1


def statements(document: str) -> list[str]:
    """What a document shows to be typed into psql, with a landslide where it says '...'."""
    text_of = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sql\n(.*?)^```", text_of, re.MULTILINE | re.DOTALL)
    code = re.sub(r"--.*", "", "\n".join(blocks))
    return [one.strip() for one in code.split(";") if one.strip()]


@pytest.mark.parametrize("document", ["README.md", "db/README.md"])
def test_what_the_documents_show_can_be_typed(world: World, editor: Engine, document: str) -> None:
    typed = [one.replace("'...'", f"'{world.landslide.id}'") for one in statements(document)]
    assert sum("analysts." in one for one in typed) >= 3
    for one in typed:
        run(editor if "analysts." in one else world.engine, one.replace(":", "\\:"))
    (now,) = run(editor, "SELECT type FROM analysts.landslides_current")
    assert now["type"] == "debris flow"


def test_edits_cannot_be_changed(world: World, editor: Engine) -> None:
    run(editor, REDRAW, id=world.landslide.id, geometry=WEST, note=None)
    for statement in ("UPDATE scarpwatch.outline_edits SET author = 'x'",
                      "DELETE FROM scarpwatch.outline_edits",
                      "TRUNCATE scarpwatch.outline_edits"):  # fmt: skip
        with pytest.raises(PermanentError, match="append-only"):
            run(world.engine, statement)


def test_the_program_makes_the_same_versions_of_an_edit(world: World, editor: Engine, two) -> None:
    """Bit for bit, so that evidence which comes late does not tell them anew."""
    stays, gone = two
    part = uuid.uuid4()
    run(editor, MERGE, id=gone.id, into=stays.id)
    run(
        editor,
        "INSERT INTO analysts.landslides_edit (id, split_from, geometry, note)"
        " VALUES (:part, :of, :geometry, 'two')",
        part=part, of=stays.id, geometry=gone.geometry,
    )  # fmt: skip
    with world.open() as s:
        merge, *split = queries.list_outline_edits(s, [stays.id])
    whole, closed = made_one(stays, gone, merge)
    assert (whole, closed) == (history(world, stays.id)[1], latest(world, gone.id))
    (cut,) = (one for one in split if one.kind is Drawn.SPLIT)
    (rest,) = (one for one in split if one.kind is Drawn.REDRAW)
    kept, child = made_two(whole, cut)
    assert child == latest(world, part)
    shrunk = replace(redrawn(kept, rest), revision=3, cause=kept.cause)
    assert shrunk == latest(world, stays.id)


def test_an_edit_waits_for_the_look_that_is_being_worked_in(world: World, editor: Engine) -> None:
    seen_again = replace(world.landslide, revision=2, cause="seen again")
    edit = threading.Thread(
        target=run, args=(editor, REDRAW),
        kwargs={"id": world.landslide.id, "geometry": WEST, "note": None},
    )  # fmt: skip
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with world.open() as s:
        store.lock_region(s, world.region.id)
        edit.start()
        for _ in range(500):
            if s.scalar(text(waits)):
                break
            edit.join(0.02)
        assert edit.is_alive(), "it waits"
        store.store_landslide(s, seen_again)
    edit.join(30)
    first, second, third = history(world, world.landslide.id)
    assert (second.cause, third.cause) == ("seen again", f"redrawn by {AUTHOR}")
    assert third.geometry == MultiPolygon([WEST])
    assert first == world.landslide
