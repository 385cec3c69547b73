"""Labelled pictures in two folders: a picture and its mask carry the same name.

PNG and GeoTIFF alike. They need not be georeferenced: what is asked of them is how well a map fits
a mask, pixel by pixel.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from detectors.errors import InvalidPatches
from detectors.training.dataset import Patches, Split, split_of
from detectors.types import BoolArray, FloatArray

SUFFIXES = frozenset({".png", ".tif", ".tiff"})
#: The last chunk of every PNG. GDAL reads one that breaks off without a word and makes the rest up.
_PNG_END = b"IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its mask, not yet read."""

    image: Path
    """Three bands, red, green and blue; a fourth one, alpha, is not looked at."""
    mask: Path
    """One band; above 0 = landslide."""

    @property
    def number(self) -> int | None:
        """The last number in the name: neighbouring numbers were cut side by side."""
        digits = re.findall(r"\d+", self.image.stem)
        return int(digits[-1]) if digits else None

    def read(self) -> tuple[FloatArray, BoolArray]:
        """Return the picture, float32 (band, y, x), NaN = no data, and the mask, (y, x).

        Raises:
            InvalidPatches: a file is unreadable, no RGB picture, no mask, or their sizes differ.
        """
        image, band = self.read_image(), _read(self.mask)
        if len(band) != 1 and not (band == band[:1]).all():
            raise InvalidPatches(f"{self.mask}: {len(band)} bands that differ; a mask has one")
        if image.shape[1:] != band.shape[1:]:
            ours, theirs = ("{1} x {0}".format(*part.shape[1:]) for part in (image, band))
            raise InvalidPatches(
                f"{self.mask}: {theirs} pixels, its picture has {ours}; cut both to one size"
            )
        return image, band[0] > 0

    def read_image(self) -> FloatArray:
        """Return the picture alone, as ``read`` does."""
        image = _read(self.image)
        if len(image) != 3:
            raise InvalidPatches(
                f"{self.image}: {len(image)} band(s); wanted are red, green and blue"
            )
        return image


def find(images: Path, masks: Path, split: Split | None = None) -> list[Pair]:
    """Return the pairs of two folders, by name.

    Args:
        images: folder of pictures.
        masks: folder of masks with the same names.
        split: only the patches whose number is on this side; None takes all.

    Raises:
        InvalidPatches: a folder is missing or holds no picture, a picture has no mask or no
            number to split by.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise InvalidPatches(f"{folder} is no folder; name one with PNG or GeoTIFF files")
    pictures = sorted(p for p in images.iterdir() if p.suffix.lower() in SUFFIXES)
    if not pictures:
        raise InvalidPatches(f"{images} holds no PNG or GeoTIFF file")
    lacking = [p.name for p in pictures if not (masks / p.name).is_file()]
    if lacking:
        raise InvalidPatches(
            f"{masks} has no mask for {len(lacking)} of {len(pictures)} pictures, the first is "
            f"{lacking[0]}; a mask carries the name of its picture"
        )
    pairs = [Pair(picture, masks / picture.name) for picture in pictures]
    if split is None:
        return pairs
    kept = [p for p, side in zip(pairs, split_of(_numbers(pairs)), strict=True) if side == split]
    if not kept:
        raise InvalidPatches(f"{images} holds no patch of the {split.value} split")
    return kept


def stack(pairs: Sequence[Pair]) -> Patches:
    """Read pairs of one size into memory, for training.

    Raises:
        InvalidPatches: as ``Pair.read``; or a picture has another size than the first, is not
            8-bit, or has no number.
    """
    read = [pair.read() for pair in pairs]
    size = read[0][1].shape
    for pair, (image, mask) in zip(pairs, read, strict=True):
        if mask.shape != size:
            raise InvalidPatches(f"{pair.image}: {mask.shape} pixels; the first has {size}")
        if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 255):
            raise InvalidPatches(f"{pair.image}: not an 8-bit picture without gaps")
    images = np.stack([image.astype(np.uint8) for image, _ in read])
    return Patches(images, np.stack([mask for _, mask in read]), _numbers(pairs))


def _numbers(pairs: Sequence[Pair]) -> np.ndarray:
    numbers = [pair.number for pair in pairs]
    if None in numbers:
        name = pairs[numbers.index(None)].image
        raise InvalidPatches(f"{name}: a number in the name is needed to keep neighbours together")
    return np.array(numbers, dtype=np.int64)


def _read(path: Path) -> FloatArray:
    """Return all bands but alpha, float32, NaN = no data."""
    try:
        if path.suffix.lower() == ".png" and not path.read_bytes().endswith(_PNG_END):
            raise InvalidPatches(f"{path}: cannot be read (the file breaks off)")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as raster:
                seen = [
                    index
                    for index, meaning in enumerate(raster.colorinterp, start=1)
                    if meaning is not ColorInterp.alpha
                ]
                # A mask may declare 0 as no data; that is its background.
                nodata = raster.nodata if len(seen) > 1 else None
                bands: FloatArray = raster.read(seen).astype(np.float32)
    except (RasterioError, OSError) as error:
        raise InvalidPatches(f"{path}: cannot be read ({error})") from None
    if nodata is not None:
        bands[bands == nodata] = np.nan
    return bands
