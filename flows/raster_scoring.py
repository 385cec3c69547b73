"""How good a model of rasters is where the truth is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.training import confusion, metrics, raster_models
from detectors.training.confusion import Confusion
from detectors.training.losses import UNKNOWN
from detectors.training.metrics import PixelMetrics
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
    one_class: PixelMetrics | None
    """Of the one class at the model's threshold, where there is but one beside the background."""


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
    tallies = np.zeros((2, metrics.STEPS), dtype=np.int64)
    for rows, columns in areas or whole:
        for cut, (one,) in scores([asked], place, rows, columns):
            said[cut] = raster_models.classify(one, asked.model.threshold)
            if asked.model.outputs == 1:
                truth = labels.codes[cut]
                known = np.where(truth == UNKNOWN, np.nan, one[0]).astype(np.float32)
                tallies += metrics.tally(known, truth == 1)
            done()
    classes = range(count)
    single = metrics.measure(tallies, asked.model.threshold) if asked.model.outputs == 1 else None
    return Scored(
        _named(confusion.count(said, labels.codes, classes, UNKNOWN), asked),
        _named(
            confusion.count_objects(said, labels.codes, labels.objects, classes, UNKNOWN), asked
        ),
        single,
    )


def _named(counted: Confusion, asked: RasterModel) -> Confusion:
    return dataclasses.replace(counted, ids=asked.model.classes)


def together(parts: Sequence[Scored], threshold_metrics: PixelMetrics | None = None) -> Scored:
    """Add up the tables of several places."""
    pixels, objects = (
        dataclasses.replace(
            getattr(parts[0], name), counts=np.sum([getattr(p, name).counts for p in parts], axis=0)
        )
        for name in ("pixels", "objects")
    )
    alone = parts[0].one_class if len(parts) == 1 else threshold_metrics
    return Scored(pixels, objects, alone)
