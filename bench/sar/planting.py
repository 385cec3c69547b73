"""Landslides of stated contrast planted into one look, and what could be seen of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from scipy import ndimage

from detectors.look_geometry import Viewing
from detectors.simulation.land import LandCover
from detectors.simulation.parameters import Parameters
from detectors.simulation.placing import random_slide
from detectors.simulation.planting import plant
from detectors.types import LookStack
from tests.scenes import take

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


@dataclass(frozen=True, slots=True)
class Truth:
    """One landslide as the simulator knows it, for one track."""

    contrast: float
    """Nominal contrast, dB without sign; of the simulator's own landslides the real one."""
    sign: int
    pixels: int
    cover: str
    share_observable: float
    """Share out of layover and shadow, and not under the snow of the look."""
    visible: bool


def planted_look(
    pre: LookStack,
    post: LookStack,
    ground: np.ndarray,
    cover: np.ndarray | LandCover,
    seen_from: Viewing,
    parameters: Parameters,
    draw: np.random.Generator,
    numbers: tuple[int, ...] = PLANTED,
    hidden: np.ndarray | None = None,
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
        hidden: (y, x), ground under snow, where no landslide is visible; None where there is none.

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
        if hidden is not None:
            body &= ~hidden
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
