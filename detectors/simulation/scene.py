"""One simulated event: a mountain, two look directions, landslides, look-alikes, and the truth.

Everything made here is simulated and must say so wherever it can be seen. What is *visible* is
decided here, from noiseless fields, and never by a detector: at least 60 % of the outline out of
layover and shadow, and a mean change of 1.5 dB or more.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy import ndimage

from detectors.simulation import radar
from detectors.simulation.land import Land, make_land, scene_grid
from detectors.simulation.look_alikes import (
    LookAlikeKind,
    SimulatedLookAlike,
    look_alike_change,
    place_look_alike,
)
from detectors.simulation.parameters import Parameters, load_parameters
from detectors.simulation.placing import slide_on
from detectors.simulation.records import Scene, SceneTrack, SimulatedSlide, SlideView
from detectors.simulation.slides import Slide
from detectors.simulation.tracks import ORBITS, REPEAT, Track
from detectors.types import BoolArray

__all__ = ["Scene", "SceneTrack", "SimulatedSlide", "SlideView", "simulate"]

#: What happens keeps apart by so many pixels.
_APART = 6
_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def simulate(
    event_seed: int,
    parameters: Parameters | None = None,
    *,
    size: int = 300,
    looks_before: int = 10,
    looks_after: int = 4,
    number: int = 0,
) -> Scene:
    """Simulate one event.

    Args:
        event_seed: 0 or more; the same seed, figures and sizes give the same event.
        parameters: the figures; None for the frozen ones.
        size: pixels of 30 m on each side, 60 at least.
        looks_before: of each track, before the landslides.
        looks_after: of each track, after them.
        number: place among the events of one archive.

    Raises:
        ValueError: too small, or without looks.
    """
    if size < 60 or looks_before < 1 or looks_after < 1:
        raise ValueError("an event needs 60 pixels a side and looks before and after")
    figures = parameters or load_parameters()
    draw = np.random.default_rng([event_seed, 0])
    land = make_land(scene_grid(size, number), event_seed, figures)
    # To the second, as catalogues tell times.
    happened_at = _YEAR + timedelta(seconds=round(draw.uniform(0, 365 * 86_400)))
    slides, free = _fail_slopes(land, happened_at, event_seed, figures, draw)
    span = (happened_at - looks_before // 2 * REPEAT, happened_at + (looks_after - 1) * REPEAT)
    alikes = _place_look_alikes(land, span, event_seed, figures, free, draw)
    peak = draw.normal(figures.season.peak_day, figures.season.peak_deviation_days)
    shared = radar.texture_of(land.grid.shape, figures, draw)
    tracks, views = [], []
    for index, state in enumerate(ORBITS):
        maker = Track(land, state, event_seed, index, number, peak, figures)
        track, seen = maker.make(slides, alikes, shared, happened_at, looks_before, looks_after)
        tracks.append(track)
        views.append(seen)
    truth = tuple(
        SimulatedSlide(
            slide, {track.name: seen[k] for track, seen in zip(tracks, views, strict=True)}
        )
        for k, slide in enumerate(slides)
    )
    return Scene(event_seed, land, happened_at, tuple(tracks), truth, tuple(alikes), figures.sha256)


def _fail_slopes(
    land: Land, happened_at: datetime, seed: int, figures: Parameters, draw: np.random.Generator
) -> tuple[list[Slide], BoolArray]:
    """Return landslides that do not touch, and what ground is left."""
    rules = figures.slide
    free = np.ones(land.grid.shape, dtype=np.bool_)
    slides: list[Slide] = []
    for k in range(draw.integers(rules.count[0], rules.count[1], endpoint=True)):
        pixels = math.exp(draw.uniform(*np.log(rules.pixels)))
        to_valley = bool(draw.random() < rules.pond_probability)
        slide = slide_on(
            land, pixels * land.grid.pixel_area_m2, happened_at, figures,
            _seed(seed, 10 + k), free=free, to_valley=to_valley,
        )  # fmt: skip
        if slide is not None:
            slides.append(slide)
            free &= ~ndimage.binary_dilation(slide.share > 0, iterations=_APART)
    return slides, free


def _place_look_alikes(
    land: Land, span: tuple[datetime, datetime], seed: int, figures: Parameters, free: BoolArray,
    draw: np.random.Generator,
) -> list[SimulatedLookAlike]:  # fmt: skip
    """Return changes that are no landslides, apart from them and from each other."""
    placed = []
    least, most = figures.look_alikes.count
    for k in range(draw.integers(least, most, endpoint=True)):
        kind = list(LookAlikeKind)[draw.integers(0, len(LookAlikeKind))]
        moment = span[0] + timedelta(
            seconds=round(draw.random() * (span[1] - span[0]).total_seconds())
        )
        one = place_look_alike(land, kind, moment, figures, _seed(seed, 100 + k), free)
        if one is not None:
            placed.append(one)
            taken = look_alike_change(one, land)[0] != 0
            free = free & ~ndimage.binary_dilation(taken, iterations=_APART)
    return placed


def _seed(event_seed: int, number: int) -> int:
    """Return a seed of its own for one thing of an event."""
    return int(np.random.default_rng([event_seed, number]).integers(0, 2**31))
