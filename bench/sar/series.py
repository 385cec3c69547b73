"""The looks that are judged: simulated events, and the real series with planted landslides.

One event is one simulated landscape seen from two directions. It gives quiet looks, looks with
landslides of a stated contrast planted into a quiet one, and the first look after what the
simulator itself let happen (its own landslides and look-alikes). Seeds are kept apart by their use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from bench.sar.judging import Peer, judge, remembering
from detectors.errors import NothingObserved
from detectors.look_geometry import Viewing, viewing
from detectors.normalise import MAXIMUM_LOOKS, MINIMUM_LOOKS
from detectors.simulation.land import LandCover
from detectors.simulation.parameters import Parameters
from detectors.simulation.placing import random_slide
from detectors.simulation.planting import plant
from detectors.simulation.scene import Scene, SceneTrack, simulate
from detectors.simulation.slides import covered
from detectors.types import LookStack, OrbitState, Unseen
from tests.scenes import read_series, take

#: Looks before anything happens: ten to compare with, and three that are judged.
QUIET_LOOKS = 3
BEFORE = MAXIMUM_LOOKS + QUIET_LOOKS
#: Planted looks of each track of an event, each with other landslides.
PLANTED_LOOKS = 3
#: Mean change of VV over a landslide, noiseless, dB.
CONTRASTS_DB = (1.5, 3.0, 5.0)
#: Sizes in pixels, from and below, and how many of each class are planted into one look of 300 x
#: 300 pixels: about 1 % of it, because a scene full of landslides is another scene.
SIZES = ((6, 15), (15, 60), (60, 250), (250, 600))
PLANTED = (6, 6, 2, 1)
#: Ground between landslides, and from the border, pixels.
APART = 6
#: Visible: share that must be observable, and least noiseless mean change, dB (issue 4).
OBSERVABLE, VISIBLE_DB = 0.6, 1.5
#: How near the planted mean comes to the one that is asked for, dB (pixels at the rim are mixed).
NEAR_DB = 0.05

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


@dataclass(frozen=True, slots=True)
class Truth:
    """One landslide as the simulator knows it, for one track."""

    contrast: float
    """Nominal contrast, dB without sign; of the simulator's own landslides the real one."""
    sign: int
    pixels: int
    cover: str
    share_observable: float
    visible: bool


def simulated_event(
    seed: int, parameters: Parameters, *, size: int = 300, peer: bool = True
) -> Iterator[Record]:
    """Judge one simulated event look by look.

    Args:
        seed: of the event.
        parameters: of the simulator.
        size: pixels on each side.
        peer: whether the peer judges too (the first quiet look and the planted ones).
    """
    scene = simulate(seed, parameters, size=size, looks_before=BEFORE, looks_after=1)
    for track in scene.tracks:
        other = Peer() if peer else None
        origin = {"source": "simulated", "seed": seed, "orbit": str(track.orbit_state)}
        with remembering():
            yield from quiet_looks(track, origin, other)
            yield from planted_looks(scene, track, seed, parameters, origin, other)
            yield _happened(scene, track, origin)


def _pair(stack: LookStack, number: int) -> tuple[LookStack, LookStack]:
    pre = take(stack, slice(max(0, number - MAXIMUM_LOOKS), number))
    return pre, take(stack, slice(number, number + 1))


def quiet_looks(
    track: SceneTrack, origin: Mapping[str, Any], peer: Peer | None
) -> Iterator[Record]:
    """Looks in which nothing happened."""
    none = np.zeros(track.stack.grid.shape, dtype=np.int32)
    for number in range(MAXIMUM_LOOKS, BEFORE):
        first = number == MAXIMUM_LOOKS
        pre, post = _pair(track.stack, number)
        judged = judge(pre, post, none, unseen=track.unseen, peer=peer if first else None)
        weather = track.looks[number]
        yield {
            **origin, **judged, "kind": "quiet", "slides": [], "look": number,
            "weather": "snow" if weather.snow else "wet" if weather.wet else "dry",
        }  # fmt: skip


def planted_looks(
    scene: Scene, track: SceneTrack, seed: int, parameters: Parameters,
    origin: Mapping[str, Any], peer: Peer | None,
) -> Iterator[Record]:  # fmt: skip
    """The first judged look with landslides of stated contrast in it."""
    pre, post = _pair(track.stack, MAXIMUM_LOOKS)
    weather = track.looks[MAXIMUM_LOOKS]
    ground = (track.unseen == Unseen.SEEN) & ~np.isin(
        scene.cover, (LandCover.WATER, LandCover.URBAN)
    )
    for turn in range(PLANTED_LOOKS):
        draw = np.random.default_rng([seed, track.relative_orbit, turn])
        changed, slides, truth = planted_look(
            pre, post, ground, scene.cover, track.viewing, parameters, draw
        )
        judged = judge(pre, changed, truth, unseen=track.unseen, peer=peer)
        yield {
            **origin, **judged, "kind": "planted", "look": turn,
            "slides": [asdict(slide) for slide in slides],
            "weather": "snow" if weather.snow else "wet" if weather.wet else "dry",
        }  # fmt: skip


def planted_look(
    pre: LookStack,
    post: LookStack,
    ground: np.ndarray,
    cover: np.ndarray | LandCover,
    seen_from: Viewing,
    parameters: Parameters,
    draw: np.random.Generator,
    numbers: tuple[int, ...] = PLANTED,
) -> tuple[LookStack, list[Truth], np.ndarray]:
    """Plant landslides of every size, of stated contrast, brighter or darker, into one look.

    Args:
        pre: looks before.
        post: the look.
        ground: (y, x), where landslides may lie.
        cover: see ``random_slide``.
        seen_from: look direction.
        parameters: of the simulator.
        draw: decides places, sizes, and which contrast each one gets.
        numbers: how many of each class of size.

    Returns:
        The changed look, the landslides, and (y, x) the number of the one that covers a pixel.
    """
    grid = post.grid
    free = ground.copy()
    truth = np.zeros(grid.shape, dtype=np.int32)
    slides: list[Truth] = []
    happened = post.sensed_at[0] - timedelta(days=1)
    changed = post
    wanted = [
        (index, float(np.exp(draw.uniform(np.log(low), np.log(high)))))
        for index, (low, high) in reversed(list(enumerate(SIZES)))
        for _ in range(numbers[index])
    ]
    turn = int(draw.integers(6))
    for pixels in (p for _, p in wanted):
        number = int(draw.integers(2**31))
        # The simulator gives an outline up where it fits nowhere.
        slide = random_slide(
            grid, pixels * grid.pixel_area_m2, happened, cover, parameters, number, allowed=free
        )
        if slide is None:
            continue
        turn += 1
        contrast = CONTRASTS_DB[turn % 3]
        sign = 1 if (turn // 3) % 2 else -1
        done = plant(_joined(pre, changed), slide, seen_from, parameters, mean_db=sign * contrast)
        changed = take(done.stack, slice(-1, None))
        body = slide.body & ground
        truth[slide.body] = len(slides) + 1
        share = float(body.sum() / slide.body.sum())
        slides.append(Truth(
            contrast, sign, int(slide.body.sum()), slide.cover.name.lower(), share,
            share >= OBSERVABLE and abs(done.contrast_db) >= VISIBLE_DB - NEAR_DB,
        ))  # fmt: skip
        free &= ~ndimage.binary_dilation(slide.share > 0, iterations=APART)
    return changed, slides, truth


def _joined(pre: LookStack, post: LookStack) -> LookStack:
    """Return the last look before and the look; planting needs one before to know the level."""
    return replace(
        pre,
        gamma0=np.concatenate([pre.gamma0[-3:], post.gamma0]),
        sensed_at=(*pre.sensed_at[-3:], *post.sensed_at),
        item_ids=(*pre.item_ids[-3:], *post.item_ids),
    )


def _happened(scene: Scene, track: SceneTrack, origin: Mapping[str, Any]) -> Record:
    """The first look after what the simulator let happen."""
    number = BEFORE
    pre, post = _pair(track.stack, number)
    truth = np.zeros(track.stack.grid.shape, dtype=np.int32)
    slides = []
    for index, one in enumerate(scene.slides, start=1):
        truth[one.slide.body] = index
        view = one.views[track.name]
        slides.append(asdict(Truth(
            round(abs(view.contrast_db), 3), 1 if view.contrast_db > 0 else -1,
            int(one.slide.body.sum()), one.cover.name.lower(),
            view.share_observable, view.visible,
        )))  # fmt: skip
    alike = np.zeros_like(truth)
    for index, other in enumerate(scene.look_alikes, start=1):
        alike[(covered(other.outline, post.grid) >= 0.5) & (truth == 0)] = index
    judged = judge(pre, post, truth, unseen=track.unseen, alike=alike)
    weather = track.looks[number]
    return {
        **origin, **judged, "kind": "happened", "slides": slides, "look": number,
        "look_alikes": [str(other.kind) for other in scene.look_alikes],
        "weather": "snow" if weather.snow else "wet" if weather.wet else "dry",
    }  # fmt: skip


def real_series(
    data: Path, folder: str, burst: str, ending: str, latitude: float, parameters: Parameters
) -> Iterator[Record]:
    """Judge every look of a real series: as it is, and with landslides planted into it."""
    series = read_series(data / folder, burst, ending=ending)
    origin = {"source": folder, "burst": burst, "orbit": "real"}
    peer = Peer()
    seen_from = viewing(OrbitState.ASCENDING, latitude, 39.0)
    none = np.zeros(series.grid.shape, dtype=np.int32)
    with remembering():
        for number in range(MINIMUM_LOOKS, len(series)):
            pre, post = _pair(series, number)
            when = f"{post.sensed_at[0]:%Y-%m-%d}"
            try:
                judged = judge(pre, post, none, peer=peer)
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
                **origin, **judge(pre, changed, truth, peer=peer), "kind": "planted",
                "look": number, "date": when, "slides": [asdict(slide) for slide in slides],
            }  # fmt: skip
