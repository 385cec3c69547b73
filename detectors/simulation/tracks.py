"""What one track sees of a simulated event, and what of each landslide could be seen at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from detectors.look_geometry import local_incidence, unseen_ground, viewing
from detectors.radiometry import Decibel, to_power
from detectors.simulation import radar
from detectors.simulation.land import LATITUDE, Land
from detectors.simulation.look_alikes import SimulatedLookAlike, look_alike_change
from detectors.simulation.parameters import POLARISATIONS, Parameters
from detectors.simulation.planting import contrast, write
from detectors.simulation.radar import LookWeather
from detectors.simulation.records import SceneTrack, SlideView
from detectors.simulation.slides import Slide, change_db
from detectors.types import FloatArray, LookStack, OrbitState, Unseen

#: One satellite comes back after so many days.
REPEAT = timedelta(days=12)
#: Relative orbit and time of day of each direction, UTC, at 39 W.
ORBITS = {
    OrbitState.ASCENDING: (117, timedelta(hours=20, minutes=36)),
    OrbitState.DESCENDING: (51, timedelta(hours=8, minutes=36)),
}


@dataclass(frozen=True, slots=True)
class Track:
    """Makes what one track sees."""

    land: Land
    """The ground before."""
    state: OrbitState
    """Flight direction."""
    seed: int
    """Of the event."""
    index: int
    """0 for the first track, 1 for the second."""
    number: int
    """Place among the events of one archive."""
    peak_day: float
    """Day of the year of the largest backscatter."""
    figures: Parameters
    """The figures."""

    def make(
        self, slides: list[Slide], alikes: list[SimulatedLookAlike], shared: FloatArray,
        happened_at: datetime, before: int, after: int,
    ) -> tuple[SceneTrack, list[SlideView]]:  # fmt: skip
        """Return the looks, and what could be seen of each landslide.

        Args:
            slides: on the grid of the land.
            alikes: changes that are no landslides.
            shared: texture that all tracks see, (polarisation, y, x), deviation 1.
            happened_at: when the landslides happened, UTC.
            before: looks before that.
            after: looks after it.
        """
        land, figures = self.land, self.figures
        draw = np.random.default_rng([self.seed, 20 + self.index])
        incidence = float(draw.uniform(*figures.radar.incidence_degrees))
        seen = viewing(self.state, LATITUDE, incidence)
        local = local_incidence(land.elevation, land.grid.transform.a, seen)
        unseen = unseen_ground(land.elevation, land.grid.transform.a, seen)
        mix = unseen == Unseen.LAYOVER
        level = radar.level_of(land, local, shared, figures, draw)
        moments = self._moments(happened_at, before, after, draw)
        changes = [change_db(one, seen, level, figures) for one in slides]
        events = [(one.happened_at, change) for one, change in zip(slides, changes, strict=True)]
        events += [(one.happened_at, look_alike_change(one, land)) for one in alikes]
        ground, looks = self._ground(level, moments, happened_at, draw)
        for moment, change in events:
            ground = write(ground, moments, change, moment)
        power = radar.laid_over(ground, mix, seen)
        grain = radar.speckle(
            power.shape, figures.radar.looks, figures.radar.neighbour_correlation, draw
        )
        gamma0 = radar.received(power, grain, figures)
        gamma0[:, :, unseen == Unseen.RADAR_SHADOW] = np.nan
        orbit, _ = ORBITS[self.state]
        burst = f"T{orbit:03d}-{900_000 + self.number:06d}-IW2"
        name = f"{orbit:03d}-{self.state.value}-{burst}"
        stack = LookStack(
            grid=land.grid, track=name, polarisations=POLARISATIONS, gamma0=gamma0,
            sensed_at=tuple(moments),
            item_ids=tuple((f"SIMULATED_{burst}_{moment:%Y%m%dT%H%M%S}",) for moment in moments),
        )  # fmt: skip
        whole = to_power(Decibel(level))
        views = [
            view_of(slide, radar.change_of(whole, change, mix, seen), unseen, figures)
            for slide, change in zip(slides, changes, strict=True)
        ]
        track = SceneTrack(
            name, self.state, orbit, burst, seen, stack, local, unseen, tuple(looks)
        )  # fmt: skip
        return track, views

    def _moments(
        self, happened_at: datetime, before: int, after: int, draw: np.random.Generator
    ) -> list[datetime]:
        """Return when the track comes over: its first look after the event within 12 days."""
        day = timedelta(days=int(draw.integers(0, REPEAT.days)))
        midnight = happened_at.replace(hour=0, minute=0, second=0)
        first = midnight + ORBITS[self.state][1] + day
        if first < happened_at:
            first += REPEAT
        return [first + k * REPEAT for k in range(-before, after)]

    def _ground(
        self, level: FloatArray, moments: list[datetime], happened_at: datetime,
        draw: np.random.Generator,
    ) -> tuple[FloatArray, list[LookWeather]]:  # fmt: skip
        """Return linear power of every look before anything happens, and the weather."""
        rules = self.figures.shift
        ground = np.empty((len(moments), *level.shape), dtype=np.float32)
        lowest = float(self.land.elevation.min())
        first = next(moment for moment in moments if moment >= happened_at)
        wandering: FloatArray | None = None
        looks = []
        for k, moment in enumerate(moments):
            wet = rules.wet_after_event_probability if moment == first else rules.wet_probability
            weather = radar.weather_of(moment, self.figures, lowest, wet, draw)
            wandering = radar.wander(level.shape, REPEAT.days, wandering, self.figures, draw)
            date = radar.date_change(self.land, moment, weather, self.peak_day, self.figures, draw)
            ground[k] = to_power(Decibel(level + date + wandering))
            looks.append(weather)
        return ground, looks


def view_of(
    slide: Slide, change: FloatArray, unseen: NDArray[np.uint8], figures: Parameters
) -> SlideView:
    """Tell what a track could see of a landslide.

    Args:
        slide: the landslide.
        change: noiseless change that the track receives, (polarisation, y, x), dB.
        unseen: codes of ``Unseen`` of that track.
        figures: what counts as visible.
    """
    body = slide.body
    observable = body & (unseen == Unseen.SEEN)
    share = float(observable.sum() / max(int(body.sum()), 1))
    means = change[:, observable].mean(axis=1) if observable.any() else np.zeros(2)
    strongest = contrast(change, observable)
    rules = figures.visible
    return SlideView(
        change_db=float(means[0]),
        change_vh_db=float(means[1]),
        contrast_db=strongest,
        share_observable=share,
        visible=share >= rules.share_observable and abs(strongest) >= rules.change_db,
    )
