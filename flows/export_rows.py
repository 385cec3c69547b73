"""What an export says of a landslide: one row, the same columns in every format.

Names have ten characters or fewer where that can be, which is what a Shapefile holds; for the
others ``Column.short`` is the name there. Licence, credits and what a landslide came of are
columns, since no other place survives every conversion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import pyarrow as pa
import shapely

from alerts.message import credit
from alerts.rules import marks
from db.exporting import DESCRIBED, Exported
from db.inventories import InventorySummary, StoredLandslide
from flows.composites import software

TEXT, NUMBER, WHOLE, YES_NO = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("ms", tz="UTC")
#: ``status`` of what happened.
ACTUAL = "actual"
#: Said where the operator has set no ``licence``.
UNSTATED = "not stated: ask the operator"


_described = attrgetter(*DESCRIBED)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an export."""

    name: str
    """Its name."""
    kind: pa.DataType
    """What it holds."""
    says: str
    """What it means."""
    short: str = ""
    """Its name in a Shapefile, where ``name`` has more than ten characters."""

    @property
    def in_shapefile(self) -> str:
        """Name of ten characters at most."""
        return self.short or self.name


@dataclass(frozen=True, slots=True)
class Terms:
    """What has to be said of a whole export."""

    title: str
    """What it holds."""
    licence: str
    """Terms of use."""
    credits: str
    """Whose data it stands on."""
    status: str
    """``actual``, or EXERCISE and SIMULATED."""

    def document(self) -> dict[str, str]:
        """Return it for the metadata of a file."""
        return {
            "TITLE": self.title,
            "LICENCE": self.licence,
            "CREDITS": self.credits,
            "STATUS": self.status,
            "SOFTWARE": software(),
        }


_ENDS = (
    Column("status", TEXT, "actual, or EXERCISE and SIMULATED: it never happened"),
    Column("simulated", YES_NO, "it never happened"),
    Column("area_m2", NUMBER, "area, m2"),
    Column("not_before", TIME, "it had not happened yet, UTC"),
    Column("not_after", TIME, "it had happened, UTC"),
    Column("lon", NUMBER, "longitude of a point inside"),
    Column("lat", NUMBER, "latitude of a point inside"),
)
_TERMS = (
    Column("licence", TEXT, "terms of use"),
    Column("credits", TEXT, "whose data it stands on"),
    Column("software", TEXT, "program and version that wrote it"),
)
#: Of what the monitoring believes.
LANDSLIDE: tuple[Column, ...] = (
    Column("id", TEXT, "landslide"),
    Column("region", TEXT, "watched region"),
    Column("state", TEXT, "suspected, confirmed, refuted, unresolved or closed"),
    Column("tier", TEXT, "watch or likely"),
    Column("kind", TEXT, "landslide or ponding"),
    *_ENDS,
    Column("revision", WHOLE, "version of what is believed"),
    Column("recorded", TIME, "when it came to be believed, UTC"),
    Column("valid_from", TIME, "since when it holds in the world, UTC"),
    Column("looks", WHOLE, "looks that saw it"),
    Column("evidence", NUMBER, "highest evidence of a look; no probability"),
    Column("score_max", NUMBER, "highest score, sigma of quiet ground"),
    Column("sensor", TEXT, "sar or optical: what suspected it first"),
    Column("change_db", NUMBER, "mean co-polarised change, dB"),
    Column("d_ndvi", NUMBER, "change of NDVI at the look that decided"),
    Column("ensemble_score", NUMBER, "mean of the optical ensemble there, 0 to 1", "ens_score"),
    Column("verdict_at", TIME, "when it was confirmed or refuted, UTC"),
    Column("reviewer", TEXT, "person whose verdict stands"),
    Column("cause", TEXT, "why this version exists"),
    Column("advisory", TEXT, "why to be careful"),
    Column("merged_into", TEXT, "landslide it became part of", "merged"),
    Column("length_m", NUMBER, "longer side of the narrowest rectangle around it, m"),
    Column("width_m", NUMBER, "shorter side of that rectangle, m"),
    Column("elevation_min_m", NUMBER, "lowest ground inside, m", "elev_min_m"),
    Column("elevation_max_m", NUMBER, "highest ground inside, m", "elev_max_m"),
    Column("slope_deg", NUMBER, "mean slope inside, degrees"),
    Column("aspect_deg", NUMBER, "direction the ground falls in, degrees from north"),
    Column("land_cover", TEXT, "what covered the ground"),
    Column("land_cover_share", NUMBER, "share of the outline in it, by a map", "cover_part"),
    Column("land_cover_source", TEXT, "person, or the map it was read from", "cover_from"),
    Column("mapping_source", TEXT, "what the outline was drawn from", "mapped_of"),
    Column("trigger", TEXT, "what set it off, as a person said"),
    Column("type", TEXT, "type of movement (Hungr), as a person said"),
    Column("found_by", TEXT, "watch, or backfill: first seen before its region was watched"),
    Column("detectors", TEXT, "detectors that saw it"),
    Column("weights", TEXT, "versions of their weights"),
    Column("config", TEXT, "hashes of their configuration"),
    Column("sources", TEXT, "catalogues and collections of its looks"),
    Column("items", TEXT, "catalogue items it came of, before and after"),
    *_TERMS,
)
#: Of an inventory. Those that an import knows carry the names it knows them by.
MAPPED: tuple[Column, ...] = (
    Column("id", TEXT, "mapped landslide"),
    Column("inventory", TEXT, "name of the inventory"),
    Column("file_row", WHOLE, "row in the file it came from"),
    *_ENDS,
    Column("key", TEXT, "what the inventory calls it"),
    Column("name", TEXT, "what people call it"),
    Column("category", TEXT, "kind of movement, original wording"),
    Column("trigger", TEXT, "trigger, original wording"),
    Column("mapped_by", TEXT, "image or person it was mapped by"),
    Column("accuracy_m", NUMBER, "how far off it may be, m"),
    Column("duplicate_of", TEXT, "mapped landslide that it is again", "duplicate"),
    Column("source", TEXT, "where the inventory comes from"),
    Column("file", TEXT, "file it came from, and its checksum"),
    Column("attributes", TEXT, "columns as they came, JSON"),
    *_TERMS,
)


def landslide_rows(
    batch: Sequence[Exported], licence: str, *, exercise: bool
) -> list[dict[str, Any]]:
    """Return the rows of landslides."""
    inside = shapely.point_on_surface([one.geometry for one in batch])
    places = zip(shapely.get_x(inside).tolist(), shapely.get_y(inside).tolist(), strict=True)
    return [
        _landslide_row(one, place, licence, exercise=exercise)
        for one, place in zip(batch, places, strict=True)
    ]


def _landslide_row(
    one: Exported, place: tuple[float, float], licence: str, *, exercise: bool
) -> dict[str, Any]:
    version, lineage = one.version, one.lineage
    return _ends(
        one.geometry, place, version.area_m2, version.not_before, version.not_after,
        exercise=exercise, simulated=version.simulated,
    ) | {
        "id": str(version.landslide_id),
        "region": version.region_id,
        "state": version.state,
        "tier": version.tier,
        "kind": version.kind,
        "revision": version.revision,
        "recorded": version.recorded_at,
        "valid_from": version.valid_from,
        "looks": version.looks,
        "evidence": version.evidence,
        "score_max": version.score_max,
        "sensor": version.source,
        "change_db": version.change_db,
        "d_ndvi": version.d_ndvi,
        "ensemble_score": version.ensemble_score,
        "verdict_at": version.verdict_at,
        "reviewer": version.reviewed_by,
        "cause": version.cause,
        "advisory": version.advisory,
        "merged_into": str(version.merged_into) if version.merged_into else None,
        **dict(zip(DESCRIBED, _described(one.described), strict=True)),
        "found_by": "backfill" if one.backfilled else "watch",
        "detectors": _joined(lineage.detectors),
        "weights": _joined(lineage.weights),
        "config": _joined(lineage.configs),
        "sources": _joined(lineage.sources),
        "items": _joined(lineage.items),
        "licence": licence,
        "credits": credits_of(one),
        "software": software(),
    }  # fmt: skip


def credits_of(one: Exported) -> str:
    """Return the credits that the looks of a landslide demand."""
    version = one.version
    end = version.verdict_at or version.not_after
    said = dict.fromkeys(
        credit(version.not_before, end, item) for item in one.lineage.items or ("",)
    )
    # A line that another one continues says nothing of its own.
    return "; ".join(
        line for line in said if not any(o != line and o.startswith(line) for o in said)
    )


def mapped_row(
    one: StoredLandslide, inventory: InventorySummary, *, exercise: bool
) -> dict[str, Any]:
    """Return the row of a mapped landslide, without its geometry."""
    mapped, about = one.mapped, inventory.inventory
    inside = mapped.geometry.representative_point()
    return _ends(
        mapped.geometry, (inside.x, inside.y), one.area_m2, mapped.not_before, mapped.not_after,
        exercise=exercise, simulated=about.simulated,
    ) | {
        "id": str(one.id),
        "inventory": about.id,
        "file_row": mapped.file_row,
        "key": mapped.key,
        "name": mapped.name,
        "category": mapped.category,
        "trigger": mapped.trigger,
        "mapped_by": mapped.mapped_by,
        "accuracy_m": mapped.accuracy_m,
        "duplicate_of": str(mapped.duplicate_of) if mapped.duplicate_of else None,
        "source": about.source,
        "file": f"{about.file} sha256:{about.sha256}",
        "attributes": json.dumps(dict(mapped.attributes), ensure_ascii=False),
        "licence": about.licence,
        "credits": about.author,
        "software": software(),
    }  # fmt: skip


def _ends(
    shape: Any,
    place: tuple[float, float],
    area_m2: float | None,
    not_before: datetime | None,
    not_after: datetime | None,
    *,
    exercise: bool,
    simulated: bool,
) -> dict[str, Any]:
    return {
        "status": marks(exercise=exercise, simulated=simulated) or ACTUAL,
        "simulated": simulated,
        "area_m2": area_m2,
        "not_before": not_before,
        "not_after": not_after,
        "lon": place[0],
        "lat": place[1],
        "geometry": shape,
    }


def _joined(words: Sequence[str]) -> str:
    return ";".join(words)
