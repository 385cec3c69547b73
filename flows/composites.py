"""Writing the layers of one judgement as cloud-optimised GeoTIFFs, block by block.

Blocks go into a plain tiled file as they come and are laid out as a COG at the end, by GDAL, tile
by tile: memory follows the block. Nothing has its name before it is whole. The name holds the
checksum, so that the same pixels have the same name and other pixels never replace what a row of
the database names.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio import shutil as raster_files
from rasterio.errors import RasterioError
from rasterio.windows import Window

from db.records import Layer
from detectors.types import FloatArray, Grid
from flows.files import move_whole

#: Folder for what is being written.
UNDER_WAY = ".under-way"
#: Side of the tiles of a COG, pixels; the smaller one where the larger would be mostly padding.
TILES = (128, 512)
#: Number that stands for no data, by type.
NODATA = {"int16": -32_768, "uint8": 255}


@cache
def software() -> str:
    """Return name and version of this program."""
    return f"scarpwatch {version('scarpwatch')}"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one layer is written."""

    layer: Layer
    """Which layer."""
    bands: tuple[str, ...]
    """Names of its bands."""
    unit: str
    """Of number x ``scale``."""
    scale: float
    """What numbers in the file are multiplied by; half of it is lost to rounding at most."""
    data_type: str = "int16"
    """``int16``, or ``uint8`` for codes."""

    @property
    def nodata(self) -> int:
        """Number that stands for no data."""
        return NODATA[self.data_type]

    def numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values (y, x) or (band, y, x) as they stand in the file; NaN as no data.

        What is out of range becomes the nearest number there is.
        """
        if self.data_type == "uint8":
            return values.astype(np.uint8)
        with np.errstate(invalid="ignore"):
            scaled = np.rint(values / np.float32(self.scale))
        limits = np.iinfo(np.int16)
        stored = np.clip(np.nan_to_num(scaled, nan=self.nodata), limits.min + 1, limits.max)
        return np.where(np.isnan(scaled), self.nodata, stored).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole and has its name."""

    kind: Kind
    """What it holds."""
    grid: Grid
    """Where its pixels are."""
    path: str
    """Below ``composites/``, with forward slashes."""
    bytes: int
    """Its size."""
    sha256: str
    """Its checksum, hexadecimal."""


class Composites:
    """The layers of one judgement while they are written; a context manager.

    Whatever was not finished when it ends is gone.
    """

    def __init__(self, root: Path, grid: Grid, kinds: Sequence[Kind]) -> None:
        """Open one file a layer, with no data everywhere.

        Args:
            root: folder of all composites; made if missing.
            grid: of the whole.
            kinds: layers.

        Raises:
            OSError: the folder cannot be written to.
            RasterioError: GDAL cannot make the files.
        """
        self.grid = grid
        self._root = root
        under_way = root / UNDER_WAY
        under_way.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(dir=under_way))
        self._kinds = {kind.layer: kind for kind in kinds}
        self._open = ExitStack()
        self._files: dict[Layer, Any] = {}
        try:
            for kind in kinds:
                self._files[kind.layer] = self._open.enter_context(self._begin(kind))
        except BaseException:
            self.close()
            raise

    def _begin(self, kind: Kind) -> Any:
        return rasterio.open(
            self._folder / f"{kind.layer}.tif", "w", driver="GTiff", count=len(kind.bands),
            height=self.grid.height, width=self.grid.width, dtype=kind.data_type,
            crs=f"EPSG:{self.grid.epsg}", transform=self.grid.transform, nodata=kind.nodata,
            tiled=True, blockxsize=256, blockysize=256, interleave="pixel", sparse_ok=True,
            bigtiff="if_safer",
        )  # fmt: skip

    def write(
        self, layer: Layer, values: FloatArray | NDArray[np.uint8], at: tuple[int, int]
    ) -> None:
        """Write a part of a layer.

        Args:
            layer: which.
            values: (y, x) or (band, y, x); NaN = no data.
            at: row and column of its upper left pixel.
        """
        numbers = self._kinds[layer].numbers(values)
        bands = numbers if numbers.ndim == 3 else numbers[None]
        row, column = at
        window = Window(column, row, bands.shape[2], bands.shape[1])
        self._files[layer].write(bands, window=window)

    def finish(self, name: str, tags: Mapping[str, str]) -> list[Written]:
        """Lay the layers out as COGs and give them their names.

        Args:
            name: folder and beginning of the file names, below the folder.
            tags: what every file says of itself.

        Raises:
            OSError, RasterioError: nothing has a name that was not there before, or a part of the
                layers has; what no row names is swept later.
        """
        for layer, kind in self._kinds.items():
            file = self._files[layer]
            file.scales = [kind.scale] * len(kind.bands)
            file.units = [kind.unit] * len(kind.bands)
            file.descriptions = kind.bands
            file.update_tags(**tags, LAYER=layer.value)
        self._open.close()
        return [self._lay_out(kind, name) for kind in self._kinds.values()]

    def _lay_out(self, kind: Kind, name: str) -> Written:
        source, target = (self._folder / f"{kind.layer}{end}" for end in (".tif", ".cog.tif"))
        codes = kind.data_type == "uint8"
        small, large = TILES
        raster_files.copy(
            source, target, driver="COG", compress="DEFLATE", level=6, predictor="STANDARD",
            blocksize=small if max(self.grid.shape) <= 2 * small else large, overviews="AUTO",
            overview_resampling="MODE" if codes else "AVERAGE", num_threads="1",
            bigtiff="IF_SAFER",
        )  # fmt: skip
        with rasterio.open(target) as made:
            # A full disk is not always told of: the last tile of the largest picture lies last.
            made.read(1, window=Window(self.grid.width - 1, self.grid.height - 1, 1, 1))
        with target.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = target.stat().st_size
        path = f"{name}_{kind.layer}_{digest[:12]}.tif"
        move_whole(target, self._root / path)
        source.unlink()
        return Written(kind, self.grid, path, size, digest)

    def close(self) -> None:
        """Let go of whatever was not finished; safe to call twice."""
        with suppress(OSError, RasterioError):  # a full disk
            self._open.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()
