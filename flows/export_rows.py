"""What an export says of a landslide: one row, the same columns in every format.

Names have ten characters or fewer where that can be, which is what a Shapefile holds; for the
others ``Column.short`` is the name there. Licence, credits and what a landslide came of are
columns, since no other place survives every conversion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from alerts.message import credit
from alerts.rules import marks
from db.exporting import Exported
from db.inventories import InventorySummary, StoredLandslide
from flows.composites import software

TEXT, NUMBER, WHOLE, YES_NO = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("ms", tz="UTC")
#: ``status`` of what happened.
ACTUAL = "actual"
#: Said where the operator has set no ``licence``.
UNSTATED = "not stated: ask the operator"


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


def landslide_row(one: Exported, licence: str, *, exercise: bool) -> dict[str, Any]:
    """Return the row of a landslide, without its geometry."""
    landslide, lineage = one.landslide, one.lineage
    return _ends(
        landslide.geometry, landslide.area_m2, landslide.not_before, landslide.not_after,
        exercise=exercise, simulated=landslide.simulated,
    ) | {
        "id": str(landslide.id),
        "region": landslide.region_id,
        "state": landslide.state.value,
        "tier": landslide.tier.value,
        "kind": landslide.kind.value,
        "revision": landslide.revision,
        "recorded": one.recorded_at,
        "valid_from": landslide.valid_from,
        "looks": landslide.looks,
        "evidence": landslide.evidence,
        "score_max": landslide.score_max,
        "sensor": landslide.source.value,
        "change_db": landslide.change_db,
        "d_ndvi": landslide.d_ndvi,
        "ensemble_score": landslide.ensemble_score,
        "verdict_at": landslide.verdict_at,
        "reviewer": landslide.reviewed_by,
        "cause": landslide.cause,
        "advisory": landslide.advisory,
        "merged_into": str(landslide.merged_into) if landslide.merged_into else None,
        **asdict(one.described),
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
    landslide = one.landslide
    end = landslide.verdict_at or landslide.not_after
    said = dict.fromkeys(
        credit(landslide.not_before, end, item) for item in one.lineage.items or ("",)
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
    return _ends(
        mapped.geometry, one.area_m2, mapped.not_before, mapped.not_after,
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
    area_m2: float | None,
    not_before: datetime | None,
    not_after: datetime | None,
    *,
    exercise: bool,
    simulated: bool,
) -> dict[str, Any]:
    inside = shape.representative_point()
    return {
        "status": marks(exercise=exercise, simulated=simulated) or ACTUAL,
        "simulated": simulated,
        "area_m2": area_m2,
        "not_before": not_before,
        "not_after": not_after,
        "lon": inside.x,
        "lat": inside.y,
        "geometry": shape,
    }


def _joined(words: Sequence[str]) -> str:
    return ";".join(words)
