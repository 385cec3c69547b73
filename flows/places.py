"""A place: rasters of any coordinate system and resolution, seen on one grid, and what is known.

Nothing is read before it is asked for, window by window, so that memory follows the window and
not the place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import CRSError, RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import calculate_default_transform, transform_bounds
from rasterio.windows import Window

from detectors.errors import InvalidSamples, MissingBand, UnreadableRaster
from detectors.training.bands import Band
from detectors.types import FloatArray, Grid
from flows.hostile import open_raster

#: Names that files carry for what recipes call otherwise.
_ALIASES = {"dem": "elevation", "dtm": "elevation", "dsm": "surface", "nDSM": "canopy_height"}
#: Averaged instead of interpolated from so many source pixels a pixel on.
_COARSER = 1.5


@dataclass(frozen=True, slots=True)
class Source:
    """One raster of a place, as it is typed: ``FILE`` or ``BAND[,BAND ...]=FILE``."""

    path: Path
    """GeoTIFF or whatever else GDAL reads."""
    names: tuple[str, ...] = ()
    """Of its bands; empty = its descriptions, or its own name where its one band has none."""

    @classmethod
    def typed(cls, text: str) -> Source:
        """Read one from a command line."""
        names, equals, path = text.rpartition("=")
        if equals and not Path(text).exists():
            return cls(Path(path), tuple(name.strip() for name in names.split(",")))
        return cls(Path(text))


@dataclass(frozen=True, slots=True)
class Raster:
    """A raster on the grid of its place."""

    path: Path
    """Where it lies."""
    names: tuple[str, ...]
    """Of its bands."""
    smooth: WarpedVRT
    """Interpolated or averaged."""
    nearest: WarpedVRT
    """Pixels as they are: for class codes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Rasters on one grid."""

    name: str
    """For messages and results."""
    grid: Grid
    """Of everything that is read."""
    rasters: tuple[Raster, ...]
    """In the order they were named."""

    @property
    def pixel_m(self) -> float:
        """Side of a pixel, metres."""
        return float(np.sqrt(self.grid.pixel_area_m2))

    @property
    def names(self) -> tuple[str, ...]:
        """Bands of all rasters, in order, each once."""
        return tuple(dict.fromkeys(itertools.chain(*(one.names for one in self.rasters))))

    def check(self, bands: Sequence[Band]) -> None:
        """Refuse bands that cannot be had.

        Raises:
            MissingBand: no raster holds one, nor what it is computed from.
            InvalidSamples: several rasters do, and the band is of one look.
        """
        for band in bands:
            self._looks(band)

    def read(self, bands: Sequence[Band], rows: slice, columns: slice) -> FloatArray:
        """Read a window.

        Args:
            bands: of a recipe.
            rows: of the grid.
            columns: of the grid.

        Returns:
            float32 (band, y, x), NaN = no data.

        Raises:
            MissingBand: as ``check``.
            InvalidSamples: as ``check``.
            UnreadableRaster: a file is damaged.
        """
        margin = max((band.margin(self.pixel_m) for band in bands), default=0)
        top, left = max(rows.start - margin, 0), max(columns.start - margin, 0)
        bottom = min(rows.stop + margin, self.grid.height)
        right = min(columns.stop + margin, self.grid.width)
        window = Window(left, top, right - left, bottom - top)
        inside = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        seen: dict[tuple[int, int, bool], FloatArray] = {}
        made = []
        for band in bands:
            own, looks = self._looks(band)
            parts = [
                [_read(raster, number, window, band.codes, seen) for raster, number in look]
                for look in looks
            ]
            if own and not band.over:
                made.append(parts[0][0][inside])
            elif own:
                made.append(_as_is(band).make(parts, self.pixel_m)[inside])
            else:
                made.append(band.make(parts, self.pixel_m)[inside])
        return np.stack(made).astype(np.float32)

    def _looks(self, band: Band) -> tuple[bool, list[list[tuple[Raster, int]]]]:
        """Find a band: whether it is there itself, and where what it is made of lies, by look."""
        own = [raster for raster in self.rasters if band.name in raster.names]
        wanted = (band.name,) if own else band.sources
        whole = [one for one in self.rasters if set(wanted) <= set(one.names)]
        if whole:
            looks = [[(one, one.names.index(name)) for name in wanted] for one in whole]
        else:
            looks = [[self._only(band, name) for name in wanted]]
        if len(looks) > 1 and not band.over:
            files = ", ".join(str(one.path) for one in whole)
            raise InvalidSamples(
                f"{self.name}: {band.name} is of one look, but {files} hold {', '.join(wanted)}; "
                "name one of them, or make each a place of its own"
            )
        return bool(own), looks

    def _only(self, band: Band, name: str) -> tuple[Raster, int]:
        holders = [one for one in self.rasters if name in one.names]
        if not holders:
            made_of = f" (or {', '.join(band.needs)} to compute it)" if band.needs else ""
            hint = f"; {band.supplied}" if band.supplied else ""
            raise MissingBand(
                f"{self.name}: no raster holds {band.name}{made_of}: {band.meaning}{hint}. There "
                f"are {', '.join(self.names)}; name a file's bands with --raster {name}=FILE"
            )
        if len(holders) > 1:
            raise InvalidSamples(f"{self.name}: {len(holders)} rasters hold {name}; name one")
        return holders[0], holders[0].names.index(name)


def _as_is(band: Band) -> Band:
    return Band(band.name, band.meaning, over=band.over)


def _read(
    raster: Raster, number: int, window: Window, codes: bool,
    seen: dict[tuple[int, int, bool], FloatArray],
) -> FloatArray:  # fmt: skip
    key = (id(raster), number, codes)
    if key not in seen:
        try:
            view = raster.nearest if codes else raster.smooth
            seen[key] = view.read(number + 1, window=window)
        except RasterioError as error:
            raise UnreadableRaster(f"{raster.path}: cannot be read ({error})") from None
    return seen[key]


@contextmanager
def open_place(
    name: str, sources: Sequence[Source], pixel_m: float | None = None
) -> Iterator[Place]:
    """Open rasters on one grid: that of the first one, where it is projected in metres.

    Args:
        name: for messages.
        sources: at least one.
        pixel_m: side of a pixel; None = that of the first raster.

    Raises:
        UnreadableRaster: a file is broken, or has no place on the ground.
        InvalidSamples: other names than bands, or none.
    """
    if not sources:
        raise InvalidSamples(f"{name}: no raster; name one at least")
    with ExitStack() as stack:
        opened = [stack.enter_context(_open(source.path)) for source in sources]
        grid = _grid(opened[0], sources[0].path, pixel_m)
        rasters = []
        for source, dataset in zip(sources, opened, strict=True):
            coarser = _coarser(dataset, grid)
            views = [
                stack.enter_context(_view(dataset, grid, how))
                for how in (Resampling.average if coarser else Resampling.bilinear,
                            Resampling.nearest)
            ]  # fmt: skip
            rasters.append(Raster(source.path, _names(source, dataset), views[0], views[1]))
        yield Place(name, grid, tuple(rasters))


@contextmanager
def _open(path: Path) -> Iterator[rasterio.DatasetReader]:
    with ExitStack() as stack:
        try:
            dataset = stack.enter_context(open_raster(path))
        except RasterioError as error:
            raise UnreadableRaster(f"{path}: cannot be read ({error})") from None
        if dataset.crs is None:
            raise UnreadableRaster(f"{path}: no coordinate reference system; georeference it")
        yield dataset


def _names(source: Source, dataset: rasterio.DatasetReader) -> tuple[str, ...]:
    names = source.names or tuple(text or "" for text in dataset.descriptions)
    if not source.names and dataset.count == 1:
        # "class" says nothing: maps of trees and of most recipes are called so.
        names = (names[0] if names[0] not in {"", "class"} else source.path.stem,)
    elif not all(names):
        names = tuple(f"band{n}" for n in dataset.indexes)
    if len(names) != dataset.count or len(set(names)) != len(names):
        raise InvalidSamples(
            f"{source.path}: {dataset.count} bands, named {', '.join(names)}; give each its name"
        )
    return tuple(_ALIASES.get(name, name) for name in names)


def _grid(dataset: rasterio.DatasetReader, path: Path, pixel_m: float | None) -> Grid:
    """Return the grid of a raster, in metres, north up, with square pixels of a wanted side."""
    crs, transform = dataset.crs, dataset.transform
    metric = crs.is_projected and crs.linear_units_factor[1] == 1.0 and crs.to_epsg() is not None
    upright = not (transform.b or transform.d) and transform.a > 0 > transform.e
    if metric and upright and (pixel_m is None or _same(transform, pixel_m)):
        return Grid(int(crs.to_epsg()), transform, dataset.height, dataset.width)
    try:
        to = crs if metric else _utm(dataset)
        new, width, height = calculate_default_transform(
            crs, to, dataset.width, dataset.height, *dataset.bounds,
            resolution=pixel_m,
        )  # fmt: skip
        return Grid(int(to.to_epsg()), new, int(height), int(width))
    except (CRSError, RasterioError, CPLE_BaseError, ValueError) as error:
        raise UnreadableRaster(f"{path}: cannot be put on a grid in metres ({error})") from None


def _same(transform: Affine, pixel_m: float) -> bool:
    return bool(np.allclose([transform.a, -transform.e], pixel_m, rtol=1e-6))


def _utm(dataset: rasterio.DatasetReader) -> CRS:
    west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    zone = int((west + east) / 2 // 6) + 31
    return CRS.from_epsg((32600 if south + north >= 0 else 32700) + min(max(zone, 1), 60))


def _coarser(dataset: rasterio.DatasetReader, grid: Grid) -> bool:
    """Tell whether a pixel of the grid holds several of the raster."""
    unit = dataset.crs.linear_units_factor[1] if dataset.crs.is_projected else 111_320.0
    return bool(grid.transform.a > _COARSER * abs(dataset.transform.a) * unit)


def _view(dataset: rasterio.DatasetReader, grid: Grid, how: Resampling) -> WarpedVRT:
    same = dataset.crs == CRS.from_epsg(grid.epsg)
    aligned = same and _whole_pixels(dataset.transform, grid.transform)
    return WarpedVRT(
        dataset, crs=CRS.from_epsg(grid.epsg), transform=grid.transform, height=grid.height,
        width=grid.width, nodata=np.nan, src_nodata=dataset.nodata, dtype="float32",
        resampling=Resampling.nearest if aligned else how,
    )  # fmt: skip


def _whole_pixels(one: Affine, other: Affine) -> bool:
    if (one.a, one.e) != (other.a, other.e):
        return False
    column, row = ~one @ (other.c, other.f)
    off: float = max(abs(float(at) - round(float(at))) for at in (column, row))
    return bool(off < 1e-3)
