"""Bad input: each has a name or a stored reason, the rest goes on, nothing stored is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from shapely.geometry import MultiPolygon, Polygon

from db import queries, store
from detectors.errors import InvalidRegion, PermanentError
from flows.archive.manifest import open_archive
from flows.regions import read_region
from flows.steps import rejudge
from tests.series import DAYS, END, part_of

#: The first look that shows the landslide, and the last look of all.
FIRST, LAST = "2023-11-21", "2023-12-03"
GOOD = 4 * ["processed"]


@pytest.fixture
def replace(files):
    """Puts something else where a look's COGs are."""

    def put(w, date, make, layers=("VV", "VH")) -> None:
        for layer in layers:
            path = files.cog(w.archive, f"{w.item(date)}_{layer}.tif")
            with rasterio.open(path) as dataset:
                values, profile = dataset.read(1), dataset.profile
            content = path.read_bytes()
            path.unlink()
            make(path, values, profile, content)

    return put


def judged(w) -> list[str]:
    return [w.states()[date] for date in DAYS[6:]]


# --- files


def test_truncated_file(served, replace) -> None:
    def cut(path, values, profile, content) -> None:
        path.write_bytes(content[: len(content) // 2])

    w = served(settings={"look_attempts": 2})
    replace(w, LAST, cut, layers=("VH",))
    w.run()
    assert judged(w) == [*GOOD[:3], "due"]
    w.sql("UPDATE looks SET retry_at = now() WHERE state = 'due'")
    w.detect()
    assert judged(w) == [*GOOD[:3], "failed"]
    reason = f"{w.item(LAST)} VH: the transfer broke off or the file is cut short"
    assert w.looks()[LAST].reason == f"after 2 tries: {reason}"
    assert len(w.rows()["landslides"]) == 1


def test_file_that_is_no_cog(served, replace) -> None:
    """Striped, without compression: slower to read, and the same result."""

    def plain(path, values, profile, content) -> None:
        simple = {key: profile[key] for key in ("height", "width", "crs", "transform", "nodata")}
        with rasterio.open(
            path, "w", driver="GTiff", count=1, dtype="float32", blockysize=1, **simple
        ) as dataset:
            dataset.write(values, 1)

    w = served()
    w.run()
    before = w.rows()
    replace(w, FIRST, plain)
    assert rejudge(w.services, w.region.id, w.item(FIRST)).state == "processed"
    assert w.rows() == before


def test_file_that_is_no_raster(served, replace) -> None:
    w = served(settings={"look_attempts": 1})
    replace(w, LAST, lambda path, *_: path.write_text("<html>moved</html>"))
    w.run()
    assert judged(w) == [*GOOD[:3], "failed"]
    assert "VV: what came is not a raster" in w.looks()[LAST].reason


def test_wrong_crs(served, replace) -> None:
    def degrees(path, values, profile, content) -> None:
        transform = rasterio.Affine(0.0003, 0, -119.8, 0, -0.0003, 34.6)
        changed = {**profile, "crs": "EPSG:4326", "transform": transform}
        with rasterio.open(path, "w", **changed) as dataset:
            dataset.write(values, 1)

    w = served()
    replace(w, LAST, degrees)
    w.run()
    assert judged(w) == [*GOOD[:3], "failed"]
    reason = f"{w.item(LAST)} VV: EPSG:4326 is not an EPSG system in metres"
    assert w.looks()[LAST].reason == reason


def test_wrong_crs_in_an_old_file_is_replaced_by_an_older_one(served, replace) -> None:
    def degrees(path, values, profile, content) -> None:
        changed = {**profile, "crs": "EPSG:4326"}
        with rasterio.open(path, "w", **changed) as dataset:
            dataset.write(values, 1)

    w = served(watch_from=datetime(2023, 11, 1, tzinfo=UTC))
    replace(w, DAYS[2], degrees)
    assert [outcome.state for outcome in w.run()] == GOOD[:3]
    assert {w.looks()[date].reason for date in DAYS[7:]} == {f"left out: {w.item(DAYS[2])}"}


def blank(path, values, profile, content) -> None:
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.full_like(values, np.nan), 1)


def test_scene_without_data(served, replace) -> None:
    w = served()
    replace(w, LAST, blank)
    w.run()
    assert judged(w) == [*GOOD[:3], "skipped"]
    assert w.looks()[LAST].reason == f"{w.item(LAST)} shows no data inside the region"


def test_old_scene_without_data_counts_for_nothing(served, replace) -> None:
    """Six earlier looks, one of them blank: no pixel was seen often enough."""
    w = served()
    replace(w, DAYS[0], blank)
    w.run()
    assert judged(w) == ["skipped", *GOOD[:3]]
    assert "no pixel" in w.looks()[DAYS[6]].reason


def test_scene_with_half_the_data(served, replace) -> None:
    def half(path, values, profile, content) -> None:
        values[:, 32:] = np.nan
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(values, 1)

    w = served()
    replace(w, LAST, half)
    w.run()
    assert judged(w) == GOOD
    assert w.looks()[LAST].share_seen == pytest.approx(0.5, abs=0.01)


# --- regions


BOW_TIE = [[-120, 34], [-119, 35], [-119, 34], [-120, 35], [-120, 34]]


def test_region_that_crosses_itself(watch, tmp_path) -> None:
    path = tmp_path / "bow-tie.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [BOW_TIE]}))
    with pytest.raises(InvalidRegion, match=r"Self-intersection.*-119.5 34.5.*redraw"):
        read_region(path, END, ("local/slide",))
    # Past the reader, the database refuses it too; the other region is watched as before.
    w = watch()
    crossed = w.region.__class__(
        "bow-tie", "Bow tie", MultiPolygon([Polygon(BOW_TIE)]), ("local/slide",)
    )
    with pytest.raises(PermanentError), w.open() as s:
        store.save_region(s, crossed)
    w.run()
    assert judged(w) == GOOD


# --- items


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda item: item["properties"].update({"sar:polarizations": []}), "no polarisation"),
        (lambda item: item["properties"].update({"sar:polarizations": ["VH"]}), "no co-polarised"),
        (lambda item: item["assets"].pop("VV"), "no asset for VV"),
        (lambda item: item["assets"].clear(), "no assets"),
        (lambda item: item["properties"].update({"proj:code": "EPSG:4326"}), "EPSG:4326"),
        (lambda item: item["properties"].update({"sat:relative_orbit": 999}), "no relative orbit"),
    ],
    ids=["polarisation", "co-polarised", "asset", "assets", "crs", "orbit"],
)
def test_item_that_lacks_something(watch, tmp_path, change, reason) -> None:
    def worsen(item):
        if item["id"] == bad:
            change(item)
        return True

    w = watch()
    bad = w.item(LAST)
    w.reach(END, open_archive(part_of(w.archive.path, tmp_path / "bad", worsen)))
    outcome = w.poll()
    assert (outcome.new, outcome.refused) == (9, 1)
    with w.open() as s:
        ((source, item, told),) = queries.list_refusals(s, w.region.id)
    assert (source, item) == ("local/slide", bad)
    assert reason in told
    assert [one.state for one in w.detect()] == GOOD[:3]
