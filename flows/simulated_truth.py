"""The truth about simulated events, as a GeoPackage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas
import pyogrio

from detectors.simulation.placing import outlined
from detectors.simulation.scene import Scene
from detectors.simulation.slides import Part

#: Layers of the file.
LAYERS = ("slides", "parts", "look_alikes", "looks")
_NOTE = "SIMULATED. Nothing of this ever happened. Do not use it as observations."
_DIRECTIONS = ("ascending", "descending")


def write_truth(scene: Scene, path: Path) -> None:
    """Write what is true of an event, or add it to a file that is there.

    Layers, in the projected system of the event, areas in m2, changes in dB (noiseless, VV unless
    the name says VH), times ISO 8601 in UTC:

    - ``slides``: outline, cover, area, time, and by direction change, contrast, share observable
      and visibility; ``pond`` tells whether it dammed one;
    - ``parts``: scarp, transit, deposit and pond of each;
    - ``look_alikes``: changes that are no landslides;
    - ``looks``: every look with its weather, on the footprint of the event.
    """
    common = {
        "event": scene.event_seed,
        "simulated": True,
        "parameters_sha256": scene.parameters_sha256,
    }
    rows = {
        "slides": list(_slides(scene)),
        "parts": list(_parts(scene)),
        "look_alikes": list(_look_alikes(scene)),
        "looks": list(_looks(scene)),
    }
    known = _layers(path)
    # The only time the file would carry is that of its making; the same seed gives the same bytes.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2024-01-01T00:00:00.000Z"})
    try:
        for layer in LAYERS:
            if not rows[layer]:
                continue
            frame = geopandas.GeoDataFrame(
                [common | row for row in rows[layer]], crs=f"EPSG:{scene.grid.epsg}"
            )
            pyogrio.write_dataframe(
                frame, path, layer=layer, driver="GPKG", append=layer in known,
                promote_to_multi=True, layer_metadata={"SIMULATED": "yes", "DESCRIPTION": _NOTE},
                dataset_metadata=None if known else {"SIMULATED": "yes", "NOTE": _NOTE},
            )  # fmt: skip
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _layers(path: Path) -> set[str]:
    return {name for name, _ in pyogrio.list_layers(path)} if path.exists() else set()


def _slides(scene: Scene) -> Any:
    for number, one in enumerate(scene.slides):
        row = {
            "slide": number,
            "cover": one.cover.name.lower(),
            "area_m2": one.area_m2,
            "pixels": one.pixels,
            "happened_at": _iso(one.happened_at),
            "downslope_degrees": one.slide.downslope_degrees,
            "slope_degrees": one.slide.slope_degrees,
            "pond": one.slide.pond is not None,
            "visible": one.visible,
        }
        for direction, view in zip(_DIRECTIONS, one.views.values(), strict=True):
            row |= {
                f"change_db_{direction}": view.change_db,
                f"change_vh_db_{direction}": view.change_vh_db,
                f"contrast_db_{direction}": view.contrast_db,
                f"share_observable_{direction}": view.share_observable,
                f"visible_{direction}": view.visible,
            }
        yield row | {"geometry": one.outline}


def _parts(scene: Scene) -> Any:
    for number, one in enumerate(scene.slides):
        for part in (Part.SCARP, Part.TRANSIT, Part.DEPOSIT, Part.POND):
            where = one.slide.parts == part
            if where.any():
                yield {
                    "slide": number,
                    "part": part.name.lower(),
                    "pixels": int(where.sum()),
                    "geometry": outlined(where, scene.grid),
                }


def _look_alikes(scene: Scene) -> Any:
    for one in scene.look_alikes:
        yield {
            "kind": one.kind.value,
            "happened_at": _iso(one.happened_at),
            "area_m2": float(one.outline.area),
            "change_db": one.change_db[0],
            "change_vh_db": one.change_db[1],
            "geometry": one.outline,
        }


def _looks(scene: Scene) -> Any:
    from shapely.geometry import box

    for track in scene.tracks:
        for moment, weather in zip(track.stack.sensed_at, track.looks, strict=True):
            yield {
                "track": track.name,
                "orbit_state": track.orbit_state.value,
                "sensed_at": _iso(moment),
                "wet": weather.wet,
                "wet_snow": weather.snow,
                "snow_line_m": weather.snow_line_m,
                "shift_vv_db": weather.shift_db[0],
                "shift_vh_db": weather.shift_db[1],
                "incidence_degrees": float(track.viewing.incidence),
                "azimuth_degrees": track.viewing.azimuth,
                "geometry": box(*scene.grid.bounds),
            }


def _iso(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
