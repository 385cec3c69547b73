"""Land cover of outlines, out of the operator's map of class codes. Absent is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio import features, windows
from rasterio.errors import RasterioError, WindowError
from rasterio.warp import transform_geom
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from detectors.errors import ConfigurationError, UnreadableRaster
from detectors.land_cover import commonest
from detectors.types import LandCover
from flows.hostile import open_raster
from flows.settings import LandCoverSettings


@dataclass(frozen=True, slots=True)
class LandCoverMap:
    """A raster of class codes and their names."""

    settings: LandCoverSettings
    """What the operator set."""

    @property
    def name(self) -> str:
        """What views call it."""
        file = self.settings.file
        return self.settings.name or ("" if file is None else file.stem)

    def of(self, outline: BaseGeometry) -> LandCover | None:
        """Return what covers the ground inside an outline, None where the map does not say.

        Reads the outline's own pixels, those it touches, and no others.

        Args:
            outline: EPSG:4326, lon/lat.

        Raises:
            ConfigurationError: no map is set, or the file is not there.
            UnreadableRaster: it is no raster of class codes, or lies nowhere.
        """
        path = self.settings.file
        if path is None:
            raise ConfigurationError("no land-cover map is set; name one in [land_cover] file")
        if not path.exists():
            raise ConfigurationError(f"[land_cover] file: {path.name} is not there")
        try:
            with open_raster(path) as dataset:
                return self._read(dataset, outline, path)
        except RasterioError as error:
            raise UnreadableRaster(f"{path.name} cannot be read: {error}") from None

    def _read(
        self, dataset: rasterio.DatasetReader, outline: BaseGeometry, path: Path
    ) -> LandCover | None:
        if dataset.crs is None:
            raise UnreadableRaster(f"{path.name}: it does not say where it lies")
        if not np.issubdtype(np.dtype(dataset.dtypes[0]), np.integer):
            raise UnreadableRaster(f"{path.name}: class codes are whole numbers, not fractions")
        placed = transform_geom("EPSG:4326", dataset.crs, mapping(outline))
        try:
            window = features.geometry_window(dataset, [placed])
        except WindowError:
            return None
        codes = dataset.read(1, window=window, masked=True)
        inside = features.geometry_mask(
            [placed], codes.shape, windows.transform(window, dataset.transform),
            all_touched=True, invert=True,
        )  # fmt: skip
        # Where the outline leaves the map, nothing is known of that part of it.
        whole = features.bounds(placed)
        edge = dataset.bounds
        if not (
            edge.left <= whole[0] <= whole[2] <= edge.right
            and edge.bottom <= whole[1] <= whole[3] <= edge.top
        ):
            return None
        return commonest(codes.data, ~np.ma.getmaskarray(codes), inside, self.settings.names)
