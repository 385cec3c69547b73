"""2619 mapped landslides of Kashmir, in and out again in every format, scored, counted.

The set's terms are not stated: what is made of it stays in the test's folder.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely import hausdorff_distance, normalize
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon
from sqlalchemy import Engine

from db import inventories, store
from db.engine import transaction
from detectors.inventories import Inventory, Sameness
from detectors.types import State
from flows.export_files import FORMATS
from flows.exporting import export_inventory
from flows.inventories import import_inventory
from flows.inventory_files import Layout
from flows.inventory_masks import write_mask
from flows.inventory_scores import Asked, score_inventory
from flows.statistics import Asked as Counted
from flows.statistics import count
from tests.data.conftest import Record
from tests.records import Make

pytestmark = pytest.mark.data

COLUMNS = {"not_after": "Year_obs", "key": "OBJECTID", "mapped_by": "Source"}
TERMS = Inventory(
    "kashmir", "", "", "", "none stated: not to be passed on", "unknown (2005 Kashmir earthquake)",
    simulated=True,
)  # fmt: skip
RULE = Sameness()
#: Every third mapped landslide is planted as found, and as many where nothing is mapped.
EVERY, ASIDE = 3, 0.2


def begin(_: int) -> object:
    return lambda: None


def test_kashmir_in_out_and_scored(
    data_folder: Path, engine: Engine, tmp_path: Path, record: Record
) -> None:
    folder = data_folder / "inventory-kashmir-2005-dem"
    source = folder / "landslides.shp"
    # SIMULATED is what is found below, so the truth it is scored against has to be called so, too.
    layout = Layout(COLUMNS)
    first = import_inventory(engine, source, TERMS, layout, RULE, dry=False)
    assert (first.new, first.known, len(first.duplicates)) == (2619, 0, 2)
    assert (first.read.mended, first.read.refused) == ((), ())
    again = import_inventory(engine, source, TERMS, layout, RULE, dry=False)
    assert (again.new, again.known) == (0, 2619)

    truth = geopandas.read_file(source)
    there = truth.geometry.force_2d().to_crs(4326)
    rows = []
    for form, ending in FORMATS.items():
        out = tmp_path / f"kashmir{ending}"
        done = export_inventory(
            engine, form, out, "kashmir", exercise=False, overwrite=False, begin=begin
        )  # fmt: skip
        assert done.rows == 2619
        named = replace(TERMS, id=form)
        back = import_inventory(engine, out, named, Layout(), RULE, dry=False)
        # KML keeps no key, and two rows are the same outline twice.
        assert back.new == (2617 if form == "kml" else 2619)
        assert back.read.refused == ()
        apart = "points"
        if form != "coolr-csv":
            with transaction(engine) as s:
                stored = {
                    one.mapped.file_row: one.mapped
                    for batch in inventories.read_mapped(s, form, duplicates=True)
                    for one in batch
                }
            shapes = np.array([stored[row + 1].geometry if row + 1 in stored else None
                               for row in range(2619)], dtype=object)  # fmt: skip
            kept = np.array([shape is not None for shape in shapes])
            ours = [MultiPolygon([one]) if one.geom_type == "Polygon" else one for one in there]
            off = hausdorff_distance(normalize(np.array(ours)[kept]), normalize(shapes[kept]))
            assert off.max() < 1e-8
            apart = f"{off.max() * 111_195_000:.2g} mm"
            if form != "kml":
                assert [stored[n + 1].key for n in range(2619)] == [
                    str(key) for key in truth.OBJECTID
                ]
                assert stored[1].not_after == datetime(2006, 1, 1, tzinfo=UTC)
        rows.append((form, done.rows, f"{out.stat().st_size / 1e6:.1f}", back.new, apart))
    record(
        "Kashmir inventory: round trip",
        "2619 outlines imported from the Shapefile, exported, imported again.",
        ("format", "out", "MB", "back", "farthest vertex"),
        rows,
        "KML keeps no key: two outlines that are mapped twice come back once.",
    )

    made = count(
        engine,
        Counted("kashmir", simulated=True, elevation=folder / "AW3D30.tif",
                land_cover=folder / "Landcover.tif"),
    )  # fmt: skip
    assert made.mark == "EXERCISE SIMULATED"
    assert made.landslides == 2617  # two are mapped twice
    assert made.sizes is not None
    # The package powerlaw 2.0.0 on the areas in EPSG:32643: 2.687 from 4639 m2 on.
    assert made.sizes.alpha == pytest.approx(2.687, abs=0.02)
    assert made.sizes.x_min == pytest.approx(4_639, rel=0.02)
    steepest = max(made.slope, key=lambda share: share.landslides)
    assert steepest.label == "40-45"
    told = write_mask(engine, "kashmir", folder / "AW3D30.tif", tmp_path / "mask.tif", None)
    assert 0.01 < told.share_landslide < 0.04

    _plant(engine, there)
    scored = score_inventory(
        engine, "kashmir", Asked("jhelum", every="year"), Sameness(50, timedelta(days=30), iou=0)
    )
    whole = scored.rows[0].score
    planted = -(-2619 // EVERY)
    # A planted one may explain a neighbour within 50 m; it never loses its own.
    assert planted <= whole.detected < 2 * planted
    assert (whole.mapped, whole.found, whole.false) == (2617, planted + 20, 20)
    record(
        "Kashmir inventory: score and sizes",
        f"SIMULATED: every third outline planted as found ({planted}), and 20 that nobody mapped; "
        "50 m, 30 days. What the score says is how it counts, not how well anything is found.",
        ("year seen by", "mapped", "detected", "found", "false", "IoU"),
        [
            (row.period, row.score.mapped, row.score.detected, row.score.found, row.score.false,
             "-" if row.score.iou is None else f"{row.score.iou:.2f}")
            for row in scored.rows
        ],
        f"Areas: exponent {made.sizes.alpha:.2f} ± {made.sizes.alpha_error:.2f} from "
        f"{made.sizes.x_min:.0f} m2 on ({made.sizes.tail} of {made.sizes.sizes}), "
        f"p {made.sizes.p:.2f}.",
    )  # fmt: skip


def _plant(engine: Engine, there: geopandas.GeoSeries) -> None:
    """Store SIMULATED landslides on every third outline, and twenty aside."""
    make = Make()
    west, south, east, north = there.total_bounds
    ground = Polygon([(west - 1, south - 1), (east + 1, south - 1), (east + 1, north + 1),
                      (west - 1, north + 1)])  # fmt: skip
    region = make.region("jhelum", geometry=MultiPolygon([ground]), simulated=True)
    shapes = [*there.iloc[::EVERY], *(translate(one, ASIDE, ASIDE) for one in there.iloc[:20])]
    sensed = datetime(2000, 6, 1, tzinfo=UTC)
    look = make.acquisition(sensed_at=sensed, published_at=sensed, simulated=True)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [look])
        found = []
        for shape in shapes:
            outline = shape if shape.geom_type == "Polygon" else max(
                shape.geoms, key=lambda part: part.area
            )  # fmt: skip
            found.append(make.detection(look, region_id="jhelum", polygon=outline, simulated=True))
        unique = {one.id: one for one in found}
        assert len(unique) == len(found)
        store.store_detections(s, found)
        for one in found:
            store.store_landslide(s, make.landslide(one, simulated=True, state=State.SUSPECTED))
