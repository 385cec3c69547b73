"""What a simulated event is made of: tracks, landslides with what could be seen of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from detectors.look_geometry import Viewing
from detectors.simulation.land import Land, LandCover
from detectors.simulation.look_alikes import SimulatedLookAlike
from detectors.simulation.radar import LookWeather
from detectors.simulation.slides import Slide
from detectors.types import FloatArray, Grid, LookStack, OrbitState


@dataclass(frozen=True, slots=True)
class SceneTrack:
    """What one track sees of an event."""

    name: str
    """As ``stack.track``."""
    orbit_state: OrbitState
    """Flight direction."""
    relative_orbit: int
    """Track number."""
    burst_id: str
    """A burst that does not exist."""
    viewing: Viewing
    """From where."""
    stack: LookStack
    """gamma0, linear, VV and VH, NaN in radar shadow, as OPERA delivers it."""
    local_incidence: FloatArray
    """float32 (y, x), degrees."""
    unseen: NDArray[np.uint8]
    """uint8 (y, x), codes of ``Unseen``: layover and radar shadow."""
    looks: tuple[LookWeather, ...]
    """The weather of every look."""


@dataclass(frozen=True, slots=True)
class SlideView:
    """What one track could see of one landslide, without noise."""

    change_db: float
    """Mean change of VV over what is observable, signed, dB."""
    change_vh_db: float
    """The same of VH."""
    contrast_db: float
    """Whichever of both is larger in magnitude."""
    share_observable: float
    """Share of its pixels out of layover and shadow, 0 to 1."""
    visible: bool
    """Enough of it, and enough change."""


@dataclass(frozen=True, slots=True)
class SimulatedSlide:
    """One landslide of an event, and what could be seen of it."""

    slide: Slide
    """The landslide itself."""
    views: Mapping[str, SlideView]
    """By track."""

    @property
    def outline(self) -> Polygon:
        """In the grid's coordinates."""
        return self.slide.outline

    @property
    def happened_at(self) -> datetime:
        """When, UTC."""
        return self.slide.happened_at

    @property
    def cover(self) -> LandCover:
        """What most of it was covered with."""
        return self.slide.cover

    @property
    def area_m2(self) -> float:
        """Of the outline, m2."""
        return float(self.slide.outline.area)

    @property
    def pixels(self) -> float:
        """The same in pixels."""
        return self.area_m2 / self.slide.grid.pixel_area_m2

    @property
    def visible(self) -> bool:
        """Whether any track could see it."""
        return any(view.visible for view in self.views.values())


@dataclass(frozen=True, slots=True)
class Scene:
    """One event."""

    event_seed: int
    """What it was made from."""
    land: Land
    """The ground before."""
    happened_at: datetime
    """When the landslides happened, UTC."""
    tracks: tuple[SceneTrack, ...]
    """Ascending, then descending."""
    slides: tuple[SimulatedSlide, ...]
    """The landslides."""
    look_alikes: tuple[SimulatedLookAlike, ...]
    """Changes that are none."""
    parameters_sha256: str
    """Of the frozen figures."""

    @property
    def grid(self) -> Grid:
        """Where the pixels are."""
        return self.land.grid

    @property
    def elevation(self) -> FloatArray:
        """float32 (y, x), metres."""
        return self.land.elevation

    @property
    def cover(self) -> NDArray[np.uint8]:
        """uint8 (y, x), codes of ``LandCover``, before the event."""
        return self.land.cover
