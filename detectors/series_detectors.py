"""Detectors of a series by name: ``series_step``, and the SAR detectors without their scene.

``sar_log_ratio`` and ``sar_disturbance`` judge looks of whole scenes: they take wide shifts out and
measure their own scatter on quiet ground. None of that exists for nine pixels. Here they keep what
is theirs, the stack of the last ten looks and the trained prediction, and raise only what two looks
in a row say. They are the measure for ``series_step``, not a substitute for the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np

from detectors.errors import ConfigurationError
from detectors.normalise import MAXIMUM_LOOKS
from detectors.prediction import predict
from detectors.radiometry import Power, db_to_logit, fill_nearest, to_db
from detectors.sar_disturbance import SarDisturbance, load_model
from detectors.sar_log_ratio import SarLogRatio
from detectors.seasons import Values
from detectors.series import MINIMUM_SEEN, Series, SeriesStep
from detectors.types import MINIMUM_LOOKS


class SeriesDetector(Protocol):
    """What a detector of a series is: a name, a level, and a signed score per look."""

    @property
    def name(self) -> str:
        """Name to ask for it."""

    @property
    def level(self) -> float:
        """Absolute score from which an alarm is raised, the same for every place."""

    def score(self, series: Series) -> Values:
        """Return float64 (look,), positive = brighter, NaN = not judged; causal."""


def _twice(score: Values) -> Values:
    """Return of each look and the one judged before it the weaker, nought where signs differ."""
    judged = np.flatnonzero(np.isfinite(score))
    weaker = np.full(len(score), np.nan)
    before, now = score[judged[:-1]], score[judged[1:]]
    agreed = np.sign(before) == np.sign(now)
    weaker[judged[1:]] = np.where(agreed, np.sign(now) * np.minimum(abs(before), abs(now)), 0.0)
    return weaker


@dataclass(frozen=True, slots=True)
class TemporalLogRatio:
    """``sar_log_ratio`` on the mean of the place: z-score against the last ten looks."""

    typical_db: float = 1.0
    """Stands in for the scatter typical of the scene, dB."""
    level: float = 2.4
    """Frozen; see README for how it was chosen."""

    name: ClassVar[str] = SarLogRatio.name

    def score(self, series: Series) -> Values:
        """Return the signed score, sigma, (look,), NaN = not judged."""
        level, prior = series.level_db(), SarLogRatio().prior_looks
        seen = np.flatnonzero(np.isfinite(level).all(axis=1))
        score = np.full(len(series), np.nan)
        for position in range(MINIMUM_LOOKS, len(seen)):
            pre = level[seen[max(0, position - MAXIMUM_LOOKS) : position]]
            looks = len(pre)
            squares = ((pre - pre.mean(axis=0)) ** 2).sum(axis=0)
            variance = (squares + prior * self.typical_db**2) / (looks - 1 + prior)
            away = level[seen[position]] - pre.mean(axis=0)
            score[seen[position]] = np.mean(away / np.sqrt(variance * (1 + 1 / looks)))
        return _twice(score)


@dataclass(frozen=True, slots=True)
class TemporalDisturbance:
    """``sar_disturbance`` on the pixels of the place, mirrored to fill the network's window."""

    level: float = 1.6
    """Frozen; see README for how it was chosen."""

    name: ClassVar[str] = SarDisturbance.name

    def score(self, series: Series) -> Values:
        """Return the signed distance from the prediction, mean of pixels and bands, (look,)."""
        model = load_model()
        height, width = series.gamma0.shape[2:]
        window, stride = cast("int", model.input_size), cast("int", model.patch_size)
        reach = [(0, 0), (0, max(0, window - height)), (0, max(0, window - width))]
        decibel = to_db(Power(series.gamma0))
        seen = np.isfinite(decibel)
        usable = np.flatnonzero((seen.mean(axis=(2, 3)) >= MINIMUM_SEEN).all(axis=1))
        logit = [
            np.pad(np.stack([fill_nearest(band) for band in look]), reach, mode="symmetric")
            for look in db_to_logit(decibel)[usable]
        ]
        score = np.full(len(series), np.nan)
        for position in range(MINIMUM_LOOKS, len(usable)):
            pre = np.stack(logit[max(0, position - MAXIMUM_LOOKS) : position])
            mean, sigma = predict(model, pre, stride)
            away = ((logit[position] - mean) / sigma)[:, :height, :width]
            score[usable[position]] = away[seen[usable[position]]].mean()
        return _twice(score)


_DETECTORS: Mapping[str, Callable[[], Any]] = {
    SeriesStep.name: SeriesStep,
    TemporalLogRatio.name: TemporalLogRatio,
    TemporalDisturbance.name: TemporalDisturbance,
}


def names() -> tuple[str, ...]:
    """Return the names of all detectors of series."""
    return tuple(_DETECTORS)


def create(name: str) -> SeriesDetector:
    """Return the detector of that name with its shipped configuration.

    Raises:
        ConfigurationError: there is no such detector of series.
    """
    try:
        detector: SeriesDetector = _DETECTORS[name]()
    except KeyError:
        raise ConfigurationError(
            f"no detector of series {name!r}; known: {', '.join(names())}"
        ) from None
    return detector
