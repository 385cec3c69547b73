"""How good a model of rasters is where the truth is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.training import confusion, raster_models
from detectors.training.area_weighted import AreaWeighted, estimate
from detectors.training.confusion import Confusion
from detectors.training.losses import UNKNOWN
from flows.places import Place
from flows.raster_labels import Labels
from flows.raster_maps import RasterModel, scores


@dataclass(frozen=True, slots=True)
class Scored:
    """Figures of one place, or of several together."""

    pixels: Confusion
    """Pixel by pixel, no data and unknown ground left out."""
    objects: Confusion
    """Polygon by polygon (or patch of one class), by the majority of its pixels."""
    hectares: tuple[float, ...]
    """Mapped as each class, wherever a map was made; what is known of it does not matter."""
    drawn: bool
    """Whether single points are known, of which intervals can be made."""

    @property
    def by_area(self) -> AreaWeighted | None:
        """Accuracies and areas, weighted by what was mapped; None where they do not exist."""
        if not sum(self.hectares):
            return None
        return estimate(self.pixels, self.hectares, drawn=self.drawn)


def evaluate(
    asked: RasterModel,
    place: Place,
    labels: Labels,
    areas: Sequence[tuple[slice, slice]] = (),
    done: Callable[[], None] = lambda: None,
) -> Scored:
    """Compare what a model says with labels.

    Args:
        asked: the model.
        place: of the rasters.
        labels: on its grid.
        areas: parts of the place to look at, rows and columns; none = all of it.
        done: called after each block.

    Raises:
        MissingBand: the place lacks a band.
    """
    place.check(asked.bands)
    count = len(asked.model.classes)
    whole = [(slice(0, place.grid.height), slice(0, place.grid.width))]
    said = np.full(place.grid.shape, UNKNOWN, dtype=np.int16)
    for rows, columns in areas or whole:
        for cut, (one,) in scores([asked], place, rows, columns):
            said[cut] = raster_models.classify(one, asked.model.threshold)
            done()
    classes = range(count)
    mapped = np.bincount(said[said != UNKNOWN], minlength=count) * place.grid.pixel_area_m2 / 1e4
    return Scored(
        _named(confusion.count(said, labels.codes, classes, UNKNOWN), asked),
        _named(
            confusion.count_objects(said, labels.codes, labels.objects, classes, UNKNOWN), asked
        ),
        tuple(map(float, mapped)),
        labels.points,
    )


def _named(counted: Confusion, asked: RasterModel) -> Confusion:
    return dataclasses.replace(counted, ids=asked.model.classes)


def together(parts: Sequence[Scored]) -> Scored:
    """Add up the tables of several places."""
    pixels, objects = (
        dataclasses.replace(
            getattr(parts[0], name), counts=np.sum([getattr(p, name).counts for p in parts], axis=0)
        )
        for name in ("pixels", "objects")
    )
    hectares = np.sum([part.hectares for part in parts], axis=0)
    return Scored(pixels, objects, tuple(map(float, hectares)), all(part.drawn for part in parts))
