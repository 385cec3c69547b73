"""Composites and score maps that judged looks leave: what they hold, and that no row dangles."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from db import composites, queries
from db.engine import transaction
from db.records import Layer
from detectors.normalise import before_db
from detectors.radiometry import to_db
from detectors.types import Grid, Sensor
from flows.composites import UNDER_WAY, Composites, Kind
from flows.histories import PASSES_KNOWN
from flows.judging import scored_blocks
from flows.keeping import STEP_DB, STEP_SIGMA, radar_kinds
from flows.kept import prune, prune_daily
from flows.steps import rejudge
from tests.optical_watch import DEBRIS
from tests.optical_world import EVERYWHERE, clouds
from tests.series import DAYS, END, day

KEEP = {"keep_composites_days": 30}
FIRST, QUIET = "2023-11-21", "2023-11-09"
NOW = timedelta(0)


def kept(w, date=None):
    with w.open() as s:
        found = composites.list_composites(s)
    return [one for one in found if date in (None, day(one.sensed_at))]


def files(w) -> set[str]:
    root = w.services.settings.composites
    return {path.relative_to(root).as_posix() for path in root.rglob("*.tif")}


def read(w, one):
    with rasterio.open(w.services.settings.composites / one.path) as dataset:
        values = dataset.read(masked=True).astype("float32") * np.float32(dataset.scales[0])
        return values.filled(np.nan)


@pytest.fixture
def keeping(watch):
    """A watched region whose four looks were judged, with what they left."""
    w = watch(settings=KEEP)
    w.run(END)
    return w


def test_every_judged_look_leaves_four_cogs_of_what_the_detector_saw(keeping) -> None:
    w = keeping
    assert [(day(one.sensed_at), one.kind) for one in kept(w)] == [
        (date, layer) for date in DAYS[:5:-1] for layer in Layer
    ]
    assert files(w) == {one.path for one in kept(w)}
    for one in kept(w):
        path = w.services.settings.composites / one.path
        assert one.bytes == path.stat().st_size
        assert one.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        with rasterio.open(path) as dataset:
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert dataset.profile["tiled"]
            assert dataset.compression.value == "DEFLATE"
            assert (dataset.count, dataset.descriptions) == (len(one.bands), one.bands)
            assert set(dataset.dtypes) == {one.data_type}
            assert (dataset.nodata, set(dataset.scales)) == (one.nodata, {one.scale})
            assert (set(dataset.offsets), set(dataset.units)) == ({0.0}, {one.unit})
            assert dataset.crs.to_epsg() == one.epsg
            assert tuple(dataset.transform)[:6] == one.transform
            tags = dataset.tags()
        # The region is real here; the pixels are not.
        assert (tags["STATUS"], one.simulated) == ("EXERCISE SIMULATED", True)
        assert "Copernicus Sentinel data 2022-2023" in tags["CREDITS"]
        assert tags["STAC_ID"] == one.stac_id
    # Nothing is lost but what a step rounds away.
    look = w.looks()[QUIET].acquisition
    with w.open() as s:
        earlier = queries.previous_acquisitions(
            s, look, before=look.sensed_at, limit_passes=PASSES_KNOWN, published_until=END
        )
    (block,) = scored_blocks(w.region, look, earlier, w.services.catalogue_of(look), set())
    pre, post, score, unseen = kept(w, QUIET)
    assert np.array_equal(read(w, unseen)[0], block.scores.observability.codes)
    for one, values, step in (
        (pre, before_db(block.clean.gamma0), STEP_DB),
        (post, to_db(block.post.gamma0[0]), STEP_DB),
        (score, block.scores.score[None], STEP_SIGMA),
    ):
        stored = read(w, one)
        assert np.array_equal(np.isnan(stored), np.isnan(values)), one.kind
        assert np.nanmax(np.abs(stored - values)) <= step / 2 + 1e-4, one.kind
        assert np.nanstd(stored) > 10 * step, one.kind
    shown = np.median(block.clean.gamma0[:, 0], axis=0)
    assert np.allclose(before_db(block.clean.gamma0)[0], 10 * np.log10(shown), atol=1e-4)
    assert pre.item_ids == tuple(w.item(date) for date in DAYS[:7])
    assert (pre.looks, day(pre.begins_at), day(pre.ends_at)) == (7, DAYS[0], DAYS[6])
    assert post.item_ids == unseen.item_ids == (w.item(QUIET),)
    assert score.item_ids == (*pre.item_ids, *post.item_ids)
    assert (score.detector, post.detector) == ("sar_log_ratio", None)
    with w.open() as s:
        (landslide,) = queries.list_landslides(s, w.region.id)
        found = composites.composites_of(s, landslide.id)
    assert [(day(one.sensed_at), one.kind) for one in found] == [
        (date, layer) for date in DAYS[:7:-1] for layer in Layer
    ]


def test_judged_again_it_is_the_same_item_and_a_version_only_where_pixels_differ(keeping) -> None:
    w = keeping
    before, there = w.rows(), files(w)
    for date in (FIRST, QUIET):
        rejudge(w.services, w.region.id, w.item(date))
    assert (w.rows(), files(w)) == (before, there)
    assert {one.version for one in kept(w)} == {1}
    # A look of the history went: another median, another score, the same look.
    before = {one.kind: one for one in kept(w, QUIET)}
    w.sql("UPDATE acquisitions SET published_at = '2100-01-01Z' WHERE item_id = :gone",
          gone=w.item(DAYS[5]))  # fmt: skip
    rejudge(w.services, w.region.id, w.item(QUIET))
    after = {one.kind: one for one in kept(w, QUIET)}
    assert {one.stac_id for one in (*before.values(), *after.values())} == {after["pre"].stac_id}
    assert {one.version for one in after.values()} == {2}
    changed = {kind for kind, one in after.items() if one.path != before[kind].path}
    assert changed == {"pre", "score"}
    assert {before[kind].path for kind in changed} == files(w) - {one.path for one in kept(w)}
    assert prune(w.services).files == 0  # somebody might be about to name them
    assert prune(w.services, grace=NOW).files == 2
    assert files(w) == {one.path for one in kept(w)}


def test_a_judgement_that_is_not_stored_names_nothing(watch) -> None:
    w = watch(settings=KEEP)
    w.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$"
    )
    w.sql("CREATE TRIGGER refuse BEFORE INSERT ON observability FOR EACH ROW"
          " EXECUTE FUNCTION refuse()")  # fmt: skip
    assert {outcome.state for outcome in w.run(END)} == {"failed"}
    assert kept(w) == []
    left = files(w)
    assert len(left) == 16
    assert prune(w.services).files == 0
    assert files(w) == left
    gone = prune(w.services, dry_run=True, grace=NOW)
    assert (gone.files, gone.bytes > 0, files(w)) == (16, True, left)
    assert prune(w.services, grace=NOW) == gone
    assert files(w) == set()
    w.sql("DROP TRIGGER refuse ON observability")
    assert rejudge(w.services, w.region.id, w.item(FIRST)).state == "processed"
    assert files(w) == {one.path for one in kept(w)} <= left


def test_a_full_disk_costs_the_rasters_and_not_the_alert(watch) -> None:
    w = watch(settings=KEEP)
    w.reach(END)
    w.poll()
    # Writing beyond so many bytes fails, as it does on a full disk.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        outcomes = w.detect()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {outcome.state for outcome in outcomes} == {"processed"}
    assert sum(outcome.alerts for outcome in outcomes) == 2
    assert (kept(w), files(w)) == ([], set())
    assert w.looks()[FIRST].reason.startswith("composites not kept: ")
    assert rejudge(w.services, w.region.id, w.item(FIRST)).state == "processed"
    assert (len(kept(w)), w.looks()[FIRST].reason) == (4, None)


def test_nothing_is_kept_where_nobody_wants_it(watch) -> None:
    w = watch(settings={"keep_composites_days": 0})
    w.run(END)
    assert kept(w) == []
    assert not w.services.settings.composites.exists()
    assert prune_daily(w.services) is None


def test_looks_without_a_landslide_go_after_their_days_and_so_does_what_was_killed(keeping) -> None:
    w = keeping
    assert prune(w.services).items == ()
    w.sql("UPDATE composites SET recorded_at = now() - interval '31 days'")
    quiet = [one.stac_id for one in kept(w) if one.kind is Layer.PRE][2:]
    told = prune(w.services, dry_run=True)
    assert list(told.items) == quiet
    assert told.files == 8
    pruned = prune_daily(w.services)
    assert pruned == told
    assert {day(one.sensed_at) for one in kept(w)} == set(DAYS[8:])  # those that show it
    assert files(w) == {one.path for one in kept(w)}
    assert prune_daily(w.services) is None  # tomorrow again
    left = w.services.settings.composites / UNDER_WAY / "killed"
    left.mkdir()
    (left / "pre.tif").write_bytes(b"half")
    prune(w.services)
    assert left.exists()
    yesterday = time.time() - 90_000
    os.utime(left, (yesterday, yesterday))
    prune(w.services)
    assert not left.exists()


def test_optical_looks_leave_what_they_were_examined_by(watch_optically) -> None:
    w = watch_optically(settings=KEEP)
    landslide = w.suspect()
    w.see(4, scl=clouds(EVERYWHERE))
    item = w.see(9, DEBRIS)
    (hidden, seen) = w.confirm().checks
    assert (hidden.finding, seen.finding) == ("not seen", "agrees")
    found = kept_of(w, landslide)
    assert [one.kind for one in found] == list(Layer)
    assert {one.sensor for one in found} == {Sensor.OPTICAL}
    assert {one.landslide_id for one in found} == {landslide.id}
    pre, post, score, unseen = found
    assert post.item_ids == (item,)
    assert pre.ends_at <= landslide.not_before
    assert 0 < len(pre.item_ids) == pre.looks
    assert (score.bands, score.weights_version[:13]) == (("d_ndvi", "ensemble"), "landslide-rgb")
    before, after = (read(w, one) for one in (pre, post))
    ndvi = [(one[3] - one[2]) / (one[3] + one[2]) for one in (before, after)]
    change = read(w, score)[0]
    lost = change < -0.3
    assert lost.sum() > 100
    assert np.nanmean((ndvi[1] - ndvi[0])[lost]) < -0.3
    assert (read(w, unseen)[0] == 0).mean() > 0.9


def kept_of(w, landslide):
    with transaction(w.services.engine) as s:
        return composites.composites_of(s, landslide.id)


def written(root: Path, values, codes) -> dict[Layer, Path]:
    grid = Grid(32611, Affine(30, 0, 240_000, 0, -30, 3_850_000), *values.shape[1:])
    with Composites(root, grid, radar_kinds(("VV", "VH"))) as open_files:
        for rows in (slice(0, 300), slice(300, 700)):
            for columns in (slice(0, 513), slice(513, 1_100)):
                at = (rows.start, columns.start)
                open_files.write(Layer.PRE, values[:, rows, columns], at)
                open_files.write(Layer.UNSEEN, codes[rows, columns], at)
        made = open_files.finish("here/2023/x", {"STATUS": "actual"})
    return {one.kind.layer: root / one.path for one in made}


def test_large_ones_have_overviews_and_the_same_pixels_the_same_bytes(tmp_path) -> None:
    random = np.random.default_rng(3)
    values = random.normal(-12, 3, (2, 700, 1_100)).astype(np.float32)
    values[:, :, :40] = np.nan
    codes = random.integers(0, 9, (700, 1_100)).astype(np.uint8)
    first, second = (written(tmp_path / name, values, codes) for name in ("a", "b"))
    assert [path.name for path in first.values()] == [path.name for path in second.values()]
    assert all(first[layer].read_bytes() == second[layer].read_bytes() for layer in first)
    with rasterio.open(first[Layer.PRE]) as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.block_shapes == [(512, 512)] * 2
        stored = dataset.read(masked=True) * dataset.scales[0]
    assert np.array_equal(stored.mask[0], np.isnan(values[0]))
    assert np.nanmax(np.abs(stored.filled(np.nan) - values)) <= STEP_DB / 2 + 1e-5
    with rasterio.open(first[Layer.UNSEEN]) as dataset:
        assert np.array_equal(dataset.read(1), codes)
    with rasterio.open(first[Layer.SCORE]) as dataset:  # never written: no data anywhere
        assert dataset.read(masked=True).mask.all()


def test_nothing_out_of_range_becomes_no_data() -> None:
    kind = Kind(Layer.SCORE, ("score",), "sigma", STEP_SIGMA)
    values = np.array([[1e6, -1e6, np.nan, np.inf, 0.0]], dtype=np.float32)
    assert kind.numbers(values).tolist() == [[32_767, -32_767, -32_768, 32_767, 0]]


def test_a_judgement_that_ends_early_leaves_no_file(tmp_path) -> None:
    grid = Grid(32611, Affine(30, 0, 240_000, 0, -30, 3_850_000), 64, 64)
    with pytest.raises(KeyError), Composites(tmp_path, grid, radar_kinds(("VV",))):
        raise KeyError
    assert [path for path in tmp_path.rglob("*") if path.name != UNDER_WAY] == []
