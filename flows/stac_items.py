"""Kept composites in the words of STAC: one item a judgement, one collection a sensor. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import pystac
from affine import Affine
from shapely.geometry import mapping

from alerts.rules import marks
from db.records import CompositeRecord, Layer
from detectors.types import Acquisition, Sensor, Unseen, WatchedRegion
from flows.archive.items import COG_TYPE, bbox
from flows.archive.manifest import iso
from flows.keeping import credits_of

_EXTENSION = "https://stac-extensions.github.io/{}/schema.json"
COMMON = ("projection/v2.0.0", "raster/v1.1.0", "processing/v1.1.0", "version/v1.2.0",
          "file/v2.1.0", "classification/v2.0.0")  # fmt: skip
OWN = MappingProxyType({Sensor.SAR: ("sar/v1.0.0", "sat/v1.0.0"), Sensor.OPTICAL: ("eo/v1.1.0",)})
COLLECTIONS = MappingProxyType({Sensor.SAR: "scarpwatch-sar", Sensor.OPTICAL: "scarpwatch-optical"})
TITLES = MappingProxyType(
    {
        Sensor.SAR: "Radar looks at watched regions: before, after, score, what could be seen",
        Sensor.OPTICAL: "Optical looks at landslides: before, after, change, what could be seen",
    }
)
LINEAGE = MappingProxyType(
    {
        Sensor.SAR: "pre: median gamma0 of the newest ten looks of the track that show a pixel. "
        "post: the look. Both as read, terrain-corrected. score: sigma of quiet ground after wide "
        "shifts were taken out; positive is brighter.",
        Sensor.OPTICAL: "pre, post: greenest clear look of each pixel, as many before as after. "
        "score: NDVI change against undisturbed surroundings, and the mean of the ensemble.",
    }
)
ROLES: Mapping[Layer, tuple[str, ...]] = MappingProxyType(
    {
        Layer.PRE: ("data",),
        Layer.POST: ("data",),
        Layer.SCORE: ("data", "score"),
        Layer.UNSEEN: ("metadata", "data-mask"),
    }
)
SAYS = MappingProxyType(
    {
        Layer.PRE: "Before",
        Layer.POST: "After",
        Layer.SCORE: "Score map, not a probability",
        Layer.UNSEEN: "Why a pixel could not be judged",
    }
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where things can be fetched."""

    file: Callable[[str], str]
    """Address of a file by its path."""
    source: Callable[[Acquisition], str]
    """Address of the catalogue item of a look."""


def make_item(
    layers: Sequence[CompositeRecord],
    region: WatchedRegion,
    looks: Mapping[str, Sequence[Acquisition]],
    licence: str,
    places: Places,
) -> dict[str, Any]:
    """Return the item of one judgement.

    Args:
        layers: all of one item.
        region: where it is.
        looks: what is known of the looks, by item id.
        licence: terms of use, in words.
        places: where files and source items can be fetched.
    """
    first, sensor = layers[0], layers[0].sensor
    judged = _judged(first, looks)
    # Each item once, oldest layer first; the catalogue of the judged look where several have it.
    sources = dict.fromkeys(item for one in layers for item in one.item_ids)
    status = marks(exercise=region.simulated, simulated=first.simulated)
    title = f"{region.name}, {first.sensed_at:%Y-%m-%d %H:%M} UTC"
    times = min(one.begins_at for one in layers), max(one.ends_at for one in layers)
    properties = {
        "title": f"{status}: {title}" if status else title,
        "start_datetime": iso(times[0]),
        "end_datetime": iso(times[1]),
        "updated": _exactly(max(_stored(one) for one in layers)),
        "gsd": first.transform[0],
        "license": "other",
        "version": str(max(one.version for one in layers)),
        "deprecated": False,
        **_projection(first),
        "processing:level": "L3",
        "processing:lineage": LINEAGE[sensor],
        "processing:software": dict([first.software.split(" ", 1)]),
        "scarpwatch:region": region.id,
        "scarpwatch:exercise": region.simulated,
        "scarpwatch:simulated": first.simulated,
        "scarpwatch:status": status or "actual",
        "scarpwatch:licence": licence,
        "scarpwatch:credits": credits_of(tuple(sources), times),
        **({"scarpwatch:landslide": str(first.landslide_id)} if first.landslide_id else {}),
        **_platform(sensor, judged, layers),
    }
    item = pystac.Item(
        id=first.stac_id,
        geometry=mapping(first.geometry),
        bbox=list(bbox(first.geometry)),
        datetime=first.sensed_at,
        properties=properties,
        stac_extensions=[_EXTENSION.format(name) for name in (*COMMON, *OWN[sensor])],
        collection=COLLECTIONS[sensor],
    )
    for one in layers:
        item.add_asset(one.kind.value, _asset(one, places))
    for name in sources:
        known = sorted(
            looks.get(name, ()), key=lambda one: judged is None or one.source != judged.source
        )
        if known:
            item.add_link(
                pystac.Link("derived_from", places.source(known[0]), "application/geo+json", name)
            )
    return dict(item.to_dict(include_self_link=False, transform_hrefs=False))


def make_collection(
    sensor: Sensor,
    box: Sequence[float] | None,
    span: tuple[datetime | None, datetime | None],
    licence: str,
) -> dict[str, Any]:
    """Return the collection of one sensor.

    Args:
        sensor: whose looks.
        box: west, south, east, north of all items, degrees; None: there is none yet.
        span: of all items, UTC.
        licence: terms of use, in words.
    """
    made = pystac.Collection(
        id=COLLECTIONS[sensor],
        title=TITLES[sensor],
        description=f"{LINEAGE[sensor]} Items that say scarpwatch:simulated or scarpwatch:exercise "
        "show what never happened.",
        license="other",
        extent=pystac.Extent(
            pystac.SpatialExtent([list(box or (-180.0, -90.0, 180.0, 90.0))]),
            pystac.TemporalExtent([list(span)]),
        ),
        providers=[
            pystac.Provider(
                "European Union, Copernicus", roles=[pystac.ProviderRole.LICENSOR],
                url="https://www.copernicus.eu",
            ),
            pystac.Provider("Operator of this Scarpwatch", roles=[pystac.ProviderRole.PROCESSOR]),
        ],
        extra_fields={"scarpwatch:licence": licence},
    )  # fmt: skip
    return dict(made.to_dict(include_self_link=False, transform_hrefs=False))


def _judged(
    layer: CompositeRecord, looks: Mapping[str, Sequence[Acquisition]]
) -> Acquisition | None:
    known = (one for found in looks.values() for one in found)
    return next((one for one in known if one.id == layer.acquisition_id), None)


def _stored(layer: CompositeRecord) -> datetime:
    if layer.recorded_at is None:
        raise ValueError(f"{layer.path} is not stored")
    return layer.recorded_at


def _exactly(moment: datetime) -> str:
    """Return a time with all its microseconds: whether an item is up to date is told by it."""
    return moment.isoformat().replace("+00:00", "Z")


def _projection(one: CompositeRecord) -> dict[str, Any]:
    a, _, west, _, e, north = one.transform
    return {
        "proj:code": f"EPSG:{one.epsg}",
        "proj:shape": [one.height, one.width],
        "proj:transform": list(Affine(*one.transform))[:6],
        "proj:bbox": [west, north + e * one.height, west + a * one.width, north],
    }


def _platform(
    sensor: Sensor, judged: Acquisition | None, layers: Sequence[CompositeRecord]
) -> dict[str, Any]:
    told: dict[str, Any] = {} if judged is None else {"platform": judged.platform}
    if sensor is Sensor.OPTICAL:
        return told
    if judged is not None and judged.orbit_state is not None:
        told |= {
            "sat:orbit_state": judged.orbit_state.value,
            "sat:relative_orbit": judged.relative_orbit,
        }
    return told | {
        "instruments": ["c-sar"],
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:product_type": "RTC",
        "sar:polarizations": list(layers[0].bands),
    }


def _asset(one: CompositeRecord, places: Places) -> pystac.Asset:
    codes = one.kind is Layer.UNSEEN
    band = {
        "nodata": int(one.nodata),
        "data_type": one.data_type,
        **({} if codes else {"scale": one.scale, "offset": 0.0, "unit": one.unit}),
    }
    more: dict[str, Any] = {
        "raster:bands": [{"name": name, **band} for name in one.bands],
        "start_datetime": iso(one.begins_at),
        "end_datetime": iso(one.ends_at),
        "file:size": one.bytes,
        "file:checksum": f"1220{one.sha256}",
    }
    if codes:
        more["classification:classes"] = [
            {
                "value": code.value,
                "name": code.name.lower(),
                "description": code.name.lower().replace("_", " "),
            }
            for code in Unseen
        ]
    if one.sensor is Sensor.OPTICAL and one.kind in (Layer.PRE, Layer.POST):
        more["eo:bands"] = [{"name": name, "common_name": name} for name in one.bands]
    if one.sensor is Sensor.SAR and one.kind in (Layer.PRE, Layer.POST):
        more["sar:polarizations"] = list(one.bands)
    if one.detector is not None:
        more |= {
            "scarpwatch:detector": one.detector,
            "scarpwatch:weights": one.weights_version,
            "scarpwatch:config": one.config_hash,
        }
    title = f"{SAYS[one.kind]}: {', '.join(one.bands)}"
    return pystac.Asset(
        href=places.file(one.path), title=title, media_type=COG_TYPE, roles=list(ROLES[one.kind]),
        extra_fields=more,
    )  # fmt: skip
