"""The looks that are judged: simulated events, and the real series with planted landslides.

One event is one simulated landscape seen from two directions. It gives quiet looks, looks with
landslides of a stated contrast planted into a quiet one, and the first look after what the
simulator itself let happen (its own landslides and look-alikes). Seeds are kept apart by their use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy import ndimage

from bench.sar.judging import Peer, judge, peer_judge, remembering
from bench.sar.planting import OBSERVABLE, Truth, planted_look
from detectors.errors import NothingObserved
from detectors.look_geometry import viewing
from detectors.normalise import MAXIMUM_LOOKS
from detectors.simulation.land import LandCover
from detectors.simulation.parameters import Parameters
from detectors.simulation.scene import Scene, SceneTrack, simulate
from detectors.simulation.slides import covered
from detectors.types import MINIMUM_LOOKS, LookStack, OrbitState, Unseen
from tests.scenes import read_series, take

#: Looks before anything happens: as many as are ever compared with, and three that are judged.
QUIET_LOOKS = 3
HISTORY = 2 * MAXIMUM_LOOKS
BEFORE = HISTORY + QUIET_LOOKS
#: Planted looks of each track of an event, each with other landslides.
PLANTED_LOOKS = 3
#: Pixels around a look-alike that belong to it.
RIM = 2

CALIFORNIA = "s1-rtc-opera-t137-california"
YAMBALI = "s1-rtc-opera-t009-yambali-png-2024"
#: Folder, burst, ending of the files, latitude, whether the levels were ever set on it.
REAL = (
    (CALIFORNIA, "T137-292318-IW1", "", 34.6, True),
    (CALIFORNIA, "T137-292319-IW2", "", 34.6, True),
    (CALIFORNIA, "T137-292320-IW2", "", 34.6, True),
    (CALIFORNIA, "T137-292321-IW2", "", 34.6, True),
    (CALIFORNIA, "T137-292322-IW2", "", 34.6, True),
    (YAMBALI, "T009-019294-IW2", "_tv_cropped", -5.4, False),
)
Record = dict[str, Any]


def simulated_event(
    seed: int, parameters: Parameters, *, size: int = 300, peer: bool = False
) -> Iterator[Record]:
    """Judge one simulated event look by look, with its elevation.

    Args:
        seed: of the event.
        parameters: of the simulator.
        size: pixels on each side.
        peer: whether the peer judges instead (the first quiet look and the planted ones; of the
            other looks it says nothing).
    """
    scene = simulate(seed, parameters, size=size, looks_before=BEFORE, looks_after=1)
    for track in scene.tracks:
        judging = Other() if peer else Own(scene.elevation)
        origin = {"source": "simulated", "seed": seed, "orbit": str(track.orbit_state)}
        with remembering():
            yield from quiet_looks(scene, track, origin, judging)
            yield from planted_looks(scene, track, seed, parameters, origin, judging)
            yield _happened(scene, track, origin, judging)


class Judging(Protocol):
    """Whoever judges looks."""

    only_some: ClassVar[bool]
    """Judges the first quiet look and the planted ones only."""

    def __call__(self, pre: LookStack, post: LookStack, truth: np.ndarray, **more: Any) -> Record:
        """Return what it finds, as ``judging.judge``."""


@dataclass(frozen=True, slots=True)
class Own:
    """Each detector, and all as shipped."""

    elevation: np.ndarray | None
    only_some: ClassVar[bool] = False

    def __call__(self, pre: LookStack, post: LookStack, truth: np.ndarray, **more: Any) -> Record:
        """See ``Judging``."""
        return judge(pre, post, truth, elevation=self.elevation, **more)


@dataclass(frozen=True, slots=True)
class Other:
    """The peer."""

    peer: Peer = field(default_factory=Peer)
    only_some: ClassVar[bool] = True

    def __call__(self, pre: LookStack, post: LookStack, truth: np.ndarray, **more: Any) -> Record:
        """See ``Judging``."""
        return peer_judge(self.peer, pre, post, truth, **more)


def _pair(stack: LookStack, number: int) -> tuple[LookStack, LookStack]:
    pre = take(stack, slice(max(0, number - HISTORY), number))
    return pre, take(stack, slice(number, number + 1))


def quiet_looks(
    scene: Scene, track: SceneTrack, origin: Mapping[str, Any], judging: Judging
) -> Iterator[Record]:
    """Looks in which no landslide happened; what look-alike each patch lies on is kept."""
    none = np.zeros(track.stack.grid.shape, dtype=np.int32)
    for number in range(HISTORY, BEFORE):
        pre, post = _pair(track.stack, number)
        judged: Record = {"patches": {}}
        if number == HISTORY or not judging.only_some:
            alike = _alike(scene, post)
            judged = judging(pre, post, none, unseen=track.unseen, alike=alike)
        yield {
            **origin, **judged, "kind": "quiet", "slides": [], "look": number,
            "weather": _weather(track, number),
        }  # fmt: skip


def _weather(track: SceneTrack, number: int) -> str:
    weather = track.looks[number]
    return "snow" if weather.snow else "wet" if weather.wet else "dry"


def _alike(scene: Scene, post: LookStack) -> np.ndarray:
    """Return (y, x) the number of the look-alike that happened there before a look, 0 = none."""
    alike = np.zeros(post.grid.shape, dtype=np.int32)
    for index, other in enumerate(scene.look_alikes, start=1):
        if other.happened_at < post.sensed_at[0]:
            inside = covered(other.outline, post.grid) > 0
            alike[ndimage.binary_dilation(inside, iterations=RIM)] = index
    return alike


def _snow(scene: Scene, track: SceneTrack, number: int) -> np.ndarray:
    """Return (y, x), where wet snow lies by the simulator."""
    line = track.looks[number].snow_line_m
    under: np.ndarray = scene.elevation >= (np.inf if line is None else line)
    return under


def planted_looks(
    scene: Scene, track: SceneTrack, seed: int, parameters: Parameters,
    origin: Mapping[str, Any], judging: Judging,
) -> Iterator[Record]:  # fmt: skip
    """The first judged look with landslides of stated contrast in it."""
    pre, post = _pair(track.stack, HISTORY)
    ground = (track.unseen == Unseen.SEEN) & ~np.isin(
        scene.cover, (LandCover.WATER, LandCover.URBAN)
    )
    for turn in range(PLANTED_LOOKS):
        draw = np.random.default_rng([seed, track.relative_orbit, turn])
        changed, slides, truth = planted_look(
            pre, post, ground, scene.cover, track.viewing, parameters, draw,
            hidden=_snow(scene, track, HISTORY),
        )  # fmt: skip
        judged = judging(pre, changed, truth, unseen=track.unseen)
        yield {
            **origin, **judged, "kind": "planted", "look": turn,
            "slides": [asdict(slide) for slide in slides],
            "weather": _weather(track, HISTORY),
        }  # fmt: skip


def _happened(
    scene: Scene, track: SceneTrack, origin: Mapping[str, Any], judging: Judging
) -> Record:
    """The first look after what the simulator let happen."""
    number = BEFORE
    pre, post = _pair(track.stack, number)
    snow = _snow(scene, track, number)
    truth = np.zeros(track.stack.grid.shape, dtype=np.int32)
    slides = []
    for index, one in enumerate(scene.slides, start=1):
        body = one.slide.body
        truth[body] = index
        view = one.views[track.name]
        shown = body & (track.unseen == Unseen.SEEN) & ~snow
        share = float(shown.sum() / body.sum())
        slides.append(asdict(Truth(
            round(abs(view.contrast_db), 3), 1 if view.contrast_db > 0 else -1,
            int(body.sum()), one.cover.name.lower(), share, view.visible and share >= OBSERVABLE,
        )))  # fmt: skip
    alike = np.where(truth == 0, _alike(scene, post), 0)
    judged: Record = {"patches": {}}
    if not judging.only_some:
        judged = judging(pre, post, truth, unseen=track.unseen, alike=alike)
    return {
        **origin, **judged, "kind": "happened", "slides": slides, "look": number,
        "look_alikes": [str(other.kind) for other in scene.look_alikes],
        "weather": _weather(track, number),
    }  # fmt: skip


def real_series(
    folder: Path, burst: str, ending: str, latitude: float, parameters: Parameters,
    *, peer: bool = False,
) -> Iterator[Record]:  # fmt: skip
    """Judge every look of a real series: as it is, and with landslides planted into it.

    No elevation of these places is at hand.
    """
    series = read_series(folder, burst, ending=ending)
    origin = {"source": folder.name, "burst": burst, "orbit": "real"}
    judging = Other() if peer else Own(None)
    seen_from = viewing(OrbitState.ASCENDING, latitude, 39.0)
    none = np.zeros(series.grid.shape, dtype=np.int32)
    with remembering():
        for number in range(MINIMUM_LOOKS, len(series)):
            pre, post = _pair(series, number)
            when = f"{post.sensed_at[0]:%Y-%m-%d}"
            try:
                judged = judging(pre, post, none)
            except NothingObserved:
                continue
            yield {
                **origin, **judged, "kind": "quiet", "slides": [], "look": number, "date": when,
            }  # fmt: skip
            draw = np.random.default_rng([int(burst[5:11]), number])
            ground = np.isfinite(post.gamma0).all(axis=(0, 1))
            changed, slides, truth = planted_look(
                pre, post, ground, LandCover.SHRUB, seen_from, parameters, draw, (2, 2, 1, 0)
            )
            yield {
                **origin, **judging(pre, changed, truth), "kind": "planted",
                "look": number, "date": when, "slides": [asdict(slide) for slide in slides],
            }  # fmt: skip
