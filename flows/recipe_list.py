"""All recipes there are, of every kind, and what each is made with: one list to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.errors import ConfigurationError, InvalidSamples
from detectors.learning import cart, change, segments
from detectors.training import raster_recipes, recipes
from flows.places import Source
from flows.raster_training import Example
from flows.stacks import RASTERS

#: Kinds of recipes.
NETWORK, TREES, PICTURES, OTHER = "network", "trees", "network on pictures", "other"
#: What labels are called in the folder of a place.
LABELS = "labels"
_VECTORS = frozenset({".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet"})


@dataclass(frozen=True, slots=True)
class Listed:
    """One recipe."""

    name: str
    """Unique."""
    kind: str
    """How it learns."""
    says: str
    """What it maps."""
    bands: tuple[str, ...]
    """What it looks at; empty = any bands."""
    classes: tuple[str, ...]
    """Of its maps; empty = those of the labels."""
    command: str
    """What trains it."""


def every() -> list[Listed]:
    """Return all recipes, those of Article V first."""
    train = "scarpwatch recipes train"
    found = [
        Listed(
            one.name, NETWORK, one.says, tuple(band.name for band in one.bands), one.classes, train
        )
        for one in map(raster_recipes.get, raster_recipes.names())
    ]
    slides = ("background", "landslide")
    found += [
        Listed(
            name, PICTURES, "landslides in one optical picture", recipes.get(name).bands, slides,
            "scarpwatch train",
        )
        for name in recipes.names()
    ]  # fmt: skip
    return [
        *found,
        Listed(cart.NAME, TREES, "any classes, by one decision tree", (), (), train),
        Listed(segments.NAME, TREES, "landslides, by segments and a forest", (), (), train),
        Listed(
            change.NAME, OTHER, "landslides between two optical pictures", change.BANDS, slides,
            "scarpwatch recipes train-change",
        ),
        Listed(
            "time-series", OTHER, "breaks in the history of one place", ("ndvi or dB",), (),
            "scarpwatch recipes breaks (nothing to train)",
        ),
    ]  # fmt: skip


def get(name: str) -> Listed:
    """Return the recipe of that name.

    Raises:
        ConfigurationError: there is no such recipe.
    """
    known = {one.name: one for one in every()}
    if name not in known:
        raise ConfigurationError(f"no recipe {name!r}; known: {', '.join(known)}")
    return known[name]


def examples(
    rasters: Sequence[str], labels: Sequence[Path], places: Sequence[Path]
) -> list[Example]:
    """Return places from what is typed.

    One file of labels belongs to all rasters, which show one place then. Several belong to one
    raster each, and each is a place. A folder is a place, too.

    Raises:
        InvalidSamples: neither as many labels as rasters nor one, or a folder without either.
    """
    sources = [Source.typed(text) for text in rasters]
    if len(labels) == 1 and sources:
        found = [Example(tuple(sources), labels[0])]
    elif len(labels) == len(sources):
        found = [Example((one,), path) for one, path in zip(sources, labels, strict=True)]
    else:
        raise InvalidSamples(
            f"{len(sources)} rasters and {len(labels)} label files; name one for all "
            "rasters, or one for each"
        )
    found += [_folder(folder) for folder in places]
    if not found:
        raise InvalidSamples("no place; name --raster and --labels, or --place")
    return found


def _folder(folder: Path) -> Example:
    """Return the place that a folder holds: GeoTIFFs, and one file called labels."""
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    labels = [f for f in files if f.stem == LABELS and f.suffix.lower() in RASTERS | _VECTORS]
    rasters = [f for f in files if f.suffix.lower() in RASTERS and f not in labels]
    if len(labels) != 1 or not rasters:
        raise InvalidSamples(
            f"{folder}: {len(rasters)} rasters and {len(labels)} files of labels; a place is a "
            f"folder of GeoTIFFs with one {LABELS}.gpkg (or .geojson, .tif ...)"
        )
    return Example(tuple(map(Source, rasters)), labels[0])
