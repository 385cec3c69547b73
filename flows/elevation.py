"""The reader of elevation models: from a file or a catalogue to heights on one grid.

Heights say what they are measured from, because nothing in the numbers does: the geoid lies up to
100 m from the ellipsoid. Slopes, masks and angles need differences only, and take either. Whatever
needs places in space takes ``above_ellipsoid``, which refuses what it does not know: without its
grids PROJ returns heights unchanged and says nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio.errors import RasterioError

from detectors.errors import ConfigurationError, InvalidElevation, NothingObserved, UnusableItem
from detectors.types import FloatArray, Grid
from flows.catalogs.footprints import raster_footprint
from flows.catalogs.properties import absolute, href_path
from flows.catalogs.stac import StacCatalogue
from flows.elevation_pieces import Piece, onto_grid, own_grid, read_piece
from flows.hostile import open_raster
from flows.rasters import named, open_href

#: Names catalogues give the asset that holds the heights.
_ASSETS = ("data", "elevation", "dem", "DEM")


class Vertical(enum.StrEnum):
    """What heights are measured from."""

    EGM2008 = "egm2008"
    """Mean sea level by the geoid of 2008: Copernicus DEM."""
    EGM96 = "egm96"
    """Mean sea level by the geoid of 1996: SRTM."""
    ELLIPSOID = "ellipsoid"
    """The ellipsoid of WGS 84: what satellites and GNSS measure from."""
    UNKNOWN = "unknown"
    """Nobody said."""


#: Vertical systems by EPSG code, and by collection where the files do not tell.
_SYSTEMS = {3855: Vertical.EGM2008, 5773: Vertical.EGM96}
_CODES = {Vertical.EGM2008: 3855, Vertical.EGM96: 5773}
COLLECTIONS = {"cop-dem-glo-30": Vertical.EGM2008, "cop-dem-glo-90": Vertical.EGM2008}
#: What whoever shows something made of a collection has to say, by collection.
CREDITS = {
    f"cop-dem-glo-{metres}": (
        f"produced using Copernicus WorldDEM-{metres} © DLR e.V. 2010-2014 and © Airbus Defence "
        "and Space GmbH 2014-2018 provided under COPERNICUS by the European Union and ESA; all "
        "rights reserved"
    )
    for metres in (30, 90)
}


@dataclass(frozen=True, slots=True)
class Elevation:
    """Heights of the ground on one grid."""

    grid: Grid
    """Where the pixels are."""
    metres: FloatArray
    """float32 (y, x), NaN = no data."""
    vertical: Vertical
    """What they are measured from."""
    source: str
    """File or ``catalogue/collection`` they came from."""


def read_elevation(
    path: Path,
    grid: Grid | None = None,
    *,
    vertical: Vertical | None = None,
    missing: float | None = None,
) -> Elevation:
    """Read an elevation model from a file, its first band.

    Args:
        path: a raster with a place, in metres.
        grid: where heights are wanted, resampled bilinearly; None for the file's own pixels, or
            square ones in the UTM zone of its middle where it is not projected in metres.
        vertical: what heights are measured from, where the file does not tell.
        missing: a height that stands for no data though the file does not say so, such as 0; the
            pixels beside it are left out too, because such files were resampled across it.

    Raises:
        InvalidElevation: no place, no heights that can be, another datum than told.
        UnreadableRaster: no raster, or a damaged one; ImageryUnavailable: it is not there.
        NothingObserved: it does not reach the grid.
    """
    try:
        with open_raster(path, whole=grid is None) as dataset:
            told = _vertical(dataset, vertical, path.name)
            grid = grid or own_grid(dataset, path.name)
            piece = read_piece(dataset, grid, missing, path.name)
    except RasterioError as error:
        raise named(error, path.name, remote=False) from error
    return _elevation([piece] if piece else [], grid, told, path.name)


def fetch_elevation(catalogue: StacCatalogue, collection: str, grid: Grid) -> Elevation:
    """Read the tiles of a catalogue's elevation model, such as Copernicus GLO-30.

    Where there is no tile, which is the sea, heights are missing.

    Args:
        catalogue: STAC API that lists it.
        collection: its collection, such as ``cop-dem-glo-30``.
        grid: where heights are wanted.

    Raises:
        NothingObserved: no tile reaches the grid.
        InvalidElevation: a tile that cannot be used.
        CatalogueUnavailable, ImageryUnavailable: they could not be had just now.
        ConfigurationError: no such collection.
    """
    source = f"{catalogue.name}/{collection}"
    known, pieces, found = COLLECTIONS.get(collection), [], set()
    for name, href in _tiles(
        catalogue.standing(collection, raster_footprint(grid.epsg, grid.transform, grid.shape))
    ):
        with open_href(href, name, catalogue) as dataset:
            found.add(_vertical(dataset, known, name))
            if piece := read_piece(dataset, grid, None, name):
                pieces.append(piece)
    if len(found) > 1:
        raise InvalidElevation(f"{source}: its tiles are measured from {', '.join(sorted(found))}")
    return _elevation(pieces, grid, found.pop() if found else Vertical.UNKNOWN, source)


def _elevation(pieces: list[Piece], grid: Grid, vertical: Vertical, source: str) -> Elevation:
    metres = onto_grid(pieces, grid)
    if np.isnan(metres).all():
        raise NothingObserved(f"{source} has no heights where they are wanted")
    return Elevation(grid, metres, vertical, source)


def above_ellipsoid(elevation: Elevation) -> Elevation:
    """Return heights above the ellipsoid of WGS 84.

    Raises:
        InvalidElevation: nobody said what the heights are measured from.
        ConfigurationError: PROJ lacks the grid of the geoid.
    """
    if elevation.vertical is Vertical.ELLIPSOID:
        return elevation
    if elevation.vertical is Vertical.UNKNOWN:
        raise InvalidElevation(
            f"{elevation.source} does not say what its heights are measured from; "
            f"tell which of {', '.join(v for v in Vertical if v is not Vertical.UNKNOWN)}"
        )
    code = _CODES[elevation.vertical]
    try:
        # A ballpark transformation is none: it would give the heights back as they are.
        rise = Transformer.from_crs(
            f"EPSG:4326+{code}", "EPSG:4979", always_xy=True, allow_ballpark=False
        )
        to_lonlat = Transformer.from_crs(elevation.grid.epsg, 4326, always_xy=True)
        rows, columns = np.indices(elevation.grid.shape) + 0.5
        place = elevation.grid.transform
        lon, lat = to_lonlat.transform(place.c + place.a * columns, place.f + place.e * rows)
        _, _, metres = rise.transform(lon, lat, elevation.metres.astype(np.float64), errcheck=True)
    except ProjError as error:
        raise ConfigurationError(
            f"PROJ has no grid of the geoid {elevation.vertical}: install proj-data, or fetch it "
            "with `projsync`"
        ) from error
    metres = np.where(np.isfinite(metres), metres, np.nan).astype(np.float32)
    return replace(elevation, metres=metres, vertical=Vertical.ELLIPSOID)


def _tiles(items: Iterable[object]) -> Iterator[tuple[str, str]]:
    """Yield name and unsigned href of each tile once."""
    seen = set()
    for item in items:
        assets = item.get("assets") if isinstance(item, Mapping) else None
        if not isinstance(item, Mapping) or not isinstance(assets, Mapping):
            raise InvalidElevation("the catalogue lists an elevation tile without assets")
        name = str(item.get("id"))
        hrefs = [
            str(asset["href"])
            for key, asset in sorted(assets.items(), key=lambda pair: pair[0] not in _ASSETS)
            if isinstance(asset, Mapping)
            and "href" in asset
            and (key in _ASSETS or href_path(str(asset["href"])).endswith((".tif", ".tiff")))
        ]
        if not hrefs:
            raise InvalidElevation(f"{name}: no asset with heights")
        if name not in seen:
            seen.add(name)
            try:
                yield name, absolute(hrefs[0], item)
            except UnusableItem as error:
                raise InvalidElevation(f"{name}: {error}") from error


def _vertical(dataset: rasterio.DatasetReader, told: Vertical | None, where: str) -> Vertical:
    """Return what the heights are measured from, by the file and by who brought it."""
    if dataset.crs is None:
        raise InvalidElevation(f"{where}: no coordinate reference system")
    unit = (dataset.units[0] or "m").lower()
    if unit not in {"m", "metre", "metres", "meter", "meters"}:
        raise InvalidElevation(f"{where}: heights in {unit}, not in metres")
    crs = CRS.from_wkt(dataset.crs.to_wkt())
    found = None
    for part in crs.sub_crs_list:
        if part.is_vertical:
            if part.axis_info[0].unit_conversion_factor != 1.0:
                raise InvalidElevation(f"{where}: heights in {part.axis_info[0].unit_name}")
            found = _SYSTEMS.get(part.to_epsg() or 0, Vertical.UNKNOWN)
    if len(crs.axis_info) == 3 and not crs.sub_crs_list:
        found = Vertical.ELLIPSOID
    if found and told and Vertical.UNKNOWN not in {found, told} and found is not told:
        raise InvalidElevation(f"{where}: its heights are of {found}, not of {told}")
    if found and found is not Vertical.UNKNOWN:
        return found
    return told or Vertical.UNKNOWN
