"""Patches of one look by every detector and by the peer, and which landslide each one is.

Nothing here decides what is visible or where the truth lies; that comes from the simulator. Nothing
here sets a level either: every patch is kept with its evidence, and levels are laid over it later.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import ndimage

from detectors import normalise as normalising
from detectors import registry
from detectors.levels import REFERENCE_PIXEL_M2, Levels
from detectors.normalise import MAXIMUM_LOOKS, NormalisedStack, normalise
from detectors.prediction import predict
from detectors.radiometry import POWER_CEILING, fill_nearest, to_db
from detectors.sar_disturbance import load_model
from detectors.types import LookStack
from detectors.vectorize import EIGHT_NEIGHBOURS, patches
from tests.judged import DETECTORS, PEER_LEVELS

#: The published metric: stride of ``compute_transformer_zscore``.
PEER_STRIDE = 4
PEERS = tuple(f"distmetrics > {level:g}" for level in PEER_LEVELS)
SHIPPED = "+".join(detector.name for detector in DETECTORS)
OWN = (*(detector.name for detector in DETECTORS), SHIPPED)
#: A patch that overlaps a landslide less was there by chance.
HIT_IOU = 0.1
LEVELS = Levels()


@dataclass(frozen=True, slots=True)
class Patch:
    """One connected patch of one look."""

    evidence: float
    """As ``detectors.vectorize``; of a peer without the ceiling."""
    pixels: int
    """Its size."""
    true_pixels: int
    """Those of them inside any landslide."""
    slide: int
    """Index of the landslide that it overlaps best, -1 for none."""
    iou: float
    """Intersection over union with that one."""
    alike: int
    """Index of the look-alike that covers most of it, -1 for none."""


@contextmanager
def remembering(function: Callable[[np.ndarray], np.ndarray] | None = None) -> Iterator[None]:
    """Despeckle each band of each look once while a series is judged look after look.

    Args:
        function: another filter than the shipped ones for all detectors, (y, x) dB to (y, x) dB,
            NaN kept.
    """
    despeckle, average = normalising.despeckle_db, normalising.average_db
    kept: dict[bytes, np.ndarray] = {}

    def once(band: np.ndarray) -> np.ndarray:
        key = band.tobytes()
        if key not in kept:
            kept[key] = (function or despeckle)(band)
        return kept[key]

    normalising.despeckle_db = once
    if function is not None:
        normalising.average_db = lambda power: once(to_db(power))
    try:
        yield
    finally:
        normalising.despeckle_db, normalising.average_db = despeckle, average


def scores(
    pre: LookStack, post: LookStack, unseen: np.ndarray | None, elevation: np.ndarray | None = None
) -> tuple[NormalisedStack, dict[str, np.ndarray]]:
    """Score a look by each detector, and as it is shipped: their mean.

    Raises:
        NothingObserved: see ``normalise``.
    """
    stack = normalise(pre, post, unseen=unseen, elevation=elevation)
    each = {detector.name: detector.score(stack) for detector in DETECTORS}
    each[SHIPPED] = registry.fused(list(each.values()), DETECTORS)
    return stack, each


class Peer:
    """The metric of ``distmetrics`` as it comes: own despeckling, no wide shift removed.

    Its prediction comes from ``detectors.prediction``, which equals its own to single precision.
    """

    def __init__(self) -> None:
        self._logits = functools.lru_cache(maxsize=256)(self._ready)
        self._predicted: tuple[Any, tuple[np.ndarray, np.ndarray]] | None = None

    @staticmethod
    def _ready(band: bytes, shape: tuple[int, int]) -> np.ndarray:
        from distmetrics import despeckle_one_rtc_arr_with_tv

        power = np.frombuffer(band, dtype=np.float32).reshape(shape)
        missing = ~np.isfinite(power)
        smooth = despeckle_one_rtc_arr_with_tv(fill_nearest(np.where(missing, np.nan, power)))
        ready = np.clip(smooth, 1e-7, POWER_CEILING)
        ready = np.log(ready / (1 - ready)).astype(np.float32)
        ready[missing] = np.nan
        return ready

    def distance(self, pre: LookStack, post: LookStack) -> np.ndarray:
        """Return (y, x), the larger of VV and VH, predicted standard deviations."""
        key = (pre.track, pre.item_ids[-MAXIMUM_LOOKS:], pre.sensed_at[-1])
        if self._predicted is None or self._predicted[0] != key:
            before = np.stack([[self._of(b) for b in look] for look in pre.gamma0[-MAXIMUM_LOOKS:]])
            before = np.stack([[fill_nearest(b) for b in look] for look in before])
            padding = [(0, -(size - 16) % PEER_STRIDE) for size in before.shape[-2:]]
            padded = np.pad(before, [(0, 0), (0, 0), *padding], mode="symmetric")
            mean, sigma = predict(load_model(), padded, PEER_STRIDE)
            window = np.s_[:, : before.shape[-2], : before.shape[-1]]
            self._predicted = key, (mean[window], sigma[window])
        mean, sigma = self._predicted[1]
        now = np.stack([self._of(band) for band in post.gamma0[0]])
        distance: np.ndarray = np.max(np.abs(now - mean) / sigma, axis=0)
        return distance

    def _of(self, band: np.ndarray) -> np.ndarray:
        return self._logits(np.ascontiguousarray(band, dtype=np.float32).tobytes(), band.shape)


def found(
    strength: np.ndarray,
    pixel_m2: float,
    truth: np.ndarray,
    alike: np.ndarray,
    *,
    peer_level: float | None = None,
) -> list[Patch]:
    """Return the patches of a map of scores that are large enough to be stored.

    Args:
        strength: (y, x), score of ours (signed) or distance of the peer, NaN = not judged.
        pixel_m2: area of a pixel.
        truth: (y, x), number of the landslide that covers a pixel, 0 = none.
        alike: (y, x), number of the look-alike that does, 0 = none.
        peer_level: threshold of the peer; None for our own patches.
    """
    strength = np.abs(strength)
    if peer_level is None:
        labels, _ = patches(SimpleNamespace(score=strength), LEVELS)  # type: ignore[arg-type]
        counted = np.minimum(strength, LEVELS.ceiling)
    else:
        labels, _ = ndimage.label(np.nan_to_num(strength) > peer_level, structure=EIGHT_NEIGHBOURS)
        counted = strength
    inside = labels > 0
    pixels = np.bincount(labels[inside])
    total = np.bincount(labels[inside], weights=counted[inside])
    sizes = np.bincount(truth.ravel())
    result = []
    enough = pixels >= LEVELS.minimum_pixels
    if peer_level is None:
        enough &= total >= LEVELS.least_mean * pixels
    for label in np.flatnonzero(enough):
        patch = labels == label
        covered = truth[patch & (truth > 0)]
        slide, iou = -1, 0.0
        if covered.size:
            numbers, shared = np.unique(covered, return_counts=True)
            overlap = shared / (pixels[label] + sizes[numbers] - shared)
            slide, iou = int(numbers[overlap.argmax()]) - 1, float(overlap.max())
        others = np.bincount(alike[patch])
        root = np.sqrt(pixels[label] * pixel_m2 / REFERENCE_PIXEL_M2)
        result.append(Patch(
            round(float(total[label] / pixels[label] * root), 4), int(pixels[label]), covered.size,
            slide, round(iou, 4), int(others[1:].argmax()) if others[1:].any() else -1,
        ))  # fmt: skip
    return result


def judge(
    pre: LookStack,
    post: LookStack,
    truth: np.ndarray,
    *,
    unseen: np.ndarray | None = None,
    elevation: np.ndarray | None = None,
    alike: np.ndarray | None = None,
) -> dict[str, Any]:
    """Judge one look by each detector and as shipped.

    Args:
        pre: looks before.
        post: the look.
        truth: (y, x), number of the landslide that covers a pixel, 0 = none.
        unseen: (y, x), codes of ``Unseen``.
        elevation: (y, x), metres; None where there is none.
        alike: (y, x), number of the look-alike that covers a pixel, 0 = none.

    Returns:
        ``km2`` judged, ``wet``, ``snow`` and ``snow_line_m`` (as the product says), and ``patches``
        by detector.
    """
    stack, by_name = scores(pre, post, unseen, elevation)
    pixel = post.grid.pixel_area_m2
    others = np.zeros_like(truth) if alike is None else alike
    return {
        "km2": float(stack.judged.sum()) * pixel / 1e6,
        "wet": bool(stack.conditions.wet),
        "snow": bool(stack.conditions.snow),
        "snow_line_m": stack.conditions.snow_line_m,
        "truth_pixels": int((truth > 0).sum()),
        "patches": {
            name: [asdict(patch) for patch in found(score, pixel, truth, others)]
            for name, score in by_name.items()
        },
    }


def peer_judge(
    peer: Peer,
    pre: LookStack,
    post: LookStack,
    truth: np.ndarray,
    *,
    unseen: np.ndarray | None = None,
    alike: np.ndarray | None = None,
) -> dict[str, Any]:
    """Judge one look by the peer; arguments as ``judge``, returns its ``patches`` by level."""
    distance = peer.distance(pre, post)
    if unseen is not None:
        distance = np.where(unseen > 0, np.nan, distance)
    others = np.zeros_like(truth) if alike is None else alike
    pixel = post.grid.pixel_area_m2
    return {
        "patches": {
            name: [asdict(p) for p in found(distance, pixel, truth, others, peer_level=level)]
            for name, level in zip(PEERS, PEER_LEVELS, strict=True)
        }
    }


def fingerprint() -> str:
    """Return what changes with any parameter of what is judged."""
    return registry.configuration_hash(registry.PREPARATION, LEVELS, *DETECTORS, PEER_LEVELS)


def peer_fingerprint() -> str:
    """Return what changes with any parameter of the peer's looks."""
    return registry.configuration_hash(PEER_LEVELS, PEER_STRIDE, HIT_IOU, LEVELS.minimum_pixels)
