"""Labelled pictures in two folders: a picture and its mask carry the same name.

PNG and GeoTIFF alike. They need not be georeferenced: what is asked of them is how well a map fits
a mask, pixel by pixel.
"""

from __future__ import annotations

import csv
import itertools
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from detectors.errors import InvalidPatches
from detectors.networks import SIDE_MULTIPLE
from detectors.training.dataset import (
    TURN,
    Patches,
    Split,
    block_of,
    split_of,
    split_of_groups,
)
from detectors.types import BoolArray, FloatArray
from flows.hostile import open_raster

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


def read_groups(path: Path) -> dict[str, str]:
    """Read which event each picture belongs to: a CSV file with the columns image and group.

    Raises:
        InvalidPatches: it is not there, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row["image"]: row["group"] for row in csv.DictReader(file)}
    except OSError as error:
        raise InvalidPatches(f"{path}: cannot be read ({error.strerror})") from None
    except KeyError as error:
        raise InvalidPatches(f"{path}: no column {error}; wanted are image and group") from None


def stack(pairs: Sequence[Pair], side: int, groups: Mapping[str, str] | None = None) -> Patches:
    """Read pairs into memory, for training: larger pictures in squares, those with gaps left out.

    Whole events go to one side of the split where ``groups`` says what they are. Otherwise
    blocks of neighbours by number do, and where these are too few for that, or have no numbers,
    sevenths of the pictures in order of their numbers or names.

    Args:
        pairs: at least one.
        side: of a patch, pixels; less where the smallest picture is smaller.
        groups: event of each picture, by file name.

    Raises:
        InvalidPatches: as ``Pair.read``; or a picture is tiny, has no group, or nothing but gaps
            is left.
    """
    read = [pair.read() for pair in pairs]
    smallest = min(min(mask.shape) for _, mask in read)
    side = min(side, smallest) // SIDE_MULTIPLE * SIDE_MULTIPLE
    if not side:
        raise InvalidPatches(f"{pairs[0].image.parent}: a picture has only {smallest} pixels")
    images: list[NDArray[np.uint8]] = []
    masks: list[BoolArray] = []
    origins: list[int] = []
    for number, (image, mask) in enumerate(read):
        for cut in _squares(mask.shape, side):
            if np.isfinite(square := image[:, *cut]).all():
                images.append(_in_8_bits(square))
                masks.append(mask[cut])
                origins.append(number)
    if not images:
        raise InvalidPatches(f"{pairs[0].image.parent}: every picture has gaps")
    ids, sides = _split(pairs, groups)
    return Patches(np.stack(images), np.stack(masks), ids[origins], sides[origins])


def _split(
    pairs: Sequence[Pair], groups: Mapping[str, str] | None
) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return group and side of each picture."""
    if groups is not None:
        if lacking := [p.image.name for p in pairs if p.image.name not in groups]:
            raise InvalidPatches(f"{lacking[0]} has no group; name one for each picture")
        ids = np.unique([groups[p.image.name] for p in pairs], return_inverse=True)[1]
        return ids.astype(np.int64), split_of_groups(ids)
    order = np.arange(len(pairs))
    if None not in (numbers := [pair.number for pair in pairs]):
        known = np.array(numbers, dtype=np.int64)
        if set(sides := split_of(known)) >= {Split.TRAIN, Split.VALIDATION}:
            return block_of(known), sides
        order = np.argsort(known, kind="stable")
    runs = np.empty(len(pairs), dtype=np.int64)
    runs[order] = np.arange(len(pairs)) * TURN // len(pairs)
    return runs, split_of_groups(runs)


def _squares(shape: tuple[int, ...], side: int) -> Iterator[tuple[slice, slice]]:
    """Yield squares that touch, the last ones moved back to end with the picture."""
    for top, left in itertools.product(*(_starts(length, side) for length in shape)):
        yield slice(top, top + side), slice(left, left + side)


def _starts(length: int, side: int) -> list[int]:
    return sorted({*range(0, length - side, side), length - side})


def _in_8_bits(square: FloatArray) -> NDArray[np.uint8]:
    """Return 8-bit pictures as they are, others stretched band by band between their extremes."""
    if square.min() >= 0 and square.max() <= 255 and (square == np.floor(square)).all():
        return square.astype(np.uint8)
    low, high = (f(square, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    stretched: NDArray[np.uint8] = (
        (255 * (square - low) / np.maximum(high - low, 1e-12)).round().astype(np.uint8)
    )
    return stretched


def _numbers(pairs: Sequence[Pair]) -> NDArray[np.int64]:
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
            with open_raster(path, whole=True) as raster:
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
