"""SAR detectors by name, and how their scores become one.

Adding one: a module with a frozen dataclass that fits ``SarDetector``, and a line in
``_DETECTORS``. ``tests/unit/test_detectors_contract.py`` runs over all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from detectors import normalise, radiometry, snow
from detectors.errors import ConfigurationError
from detectors.normalise import NormalisedStack
from detectors.sar_disturbance import SarDisturbance
from detectors.sar_log_ratio import SarLogRatio
from detectors.types import MINIMUM_LOOKS, FloatArray, Observability, ScoreMap


class SarDetector(Protocol):
    """What a SAR detector is: a name, weights, and a signed score of a normalised stack."""

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def weights_version(self) -> str:
        """Version and checksum of trained weights, ``none`` without training."""

    @property
    def minimum_polarisations(self) -> int:
        """How many polarisations the detector needs."""

    @property
    def weight(self) -> float:
        """How much its score counts beside those of others."""

    def score(self, stack: NormalisedStack) -> FloatArray:
        """Return float32 (y, x), sigma of quiet ground, positive = brighter, NaN = not judged."""


_DETECTORS: Mapping[str, Callable[[], Any]] = {
    "sar_log_ratio": SarLogRatio,
    "sar_disturbance": SarDisturbance,
}

#: What is done to looks before any detector sees them; part of every configuration hash.
PREPARATION: Mapping[str, float] = {
    "strata": normalise.STRATA,
    "minimum_looks": MINIMUM_LOOKS,
    "maximum_looks": normalise.MAXIMUM_LOOKS,
    "noise_level_db": normalise.NOISE_LEVEL_DB,
    "tail_limit": normalise.TAIL_LIMIT,
    "averaged_pixels": radiometry.AVERAGED_PIXELS,
    "snow_db": snow.SNOW_DB,
    "snow_edge_m": snow.EDGE_M,
    "tv_regularisation": radiometry.TV_REGULARISATION,
    "power_floor": radiometry.POWER_FLOOR,
    "power_ceiling": radiometry.POWER_CEILING,
}


def names() -> tuple[str, ...]:
    """Return the names a region may list."""
    return tuple(_DETECTORS)


def create(name: str) -> SarDetector:
    """Return the detector of that name with its shipped configuration.

    Raises:
        ConfigurationError: there is no such detector.
    """
    try:
        detector: SarDetector = _DETECTORS[name]()
    except KeyError:
        known = ", ".join(names())
        raise ConfigurationError(f"no detector {name!r}; known: {known}") from None
    return detector


def configuration_hash(*parts: object) -> str:
    """Return twelve hex digits that change with any parameter of dataclasses or plain values."""
    plain = [asdict(p) if hasattr(p, "__dataclass_fields__") else p for p in parts]  # type: ignore[call-overload]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def fused(scores: Sequence[FloatArray], detectors: Sequence[SarDetector]) -> FloatArray:
    """Return the mean of the detectors' scores, each by its weight, float32 (y, x)."""
    weights = [d.weight for d in detectors]
    mean: FloatArray = np.average(scores, axis=0, weights=weights).astype(np.float32)
    return mean


def judge(stack: NormalisedStack, detectors: Sequence[SarDetector]) -> ScoreMap:
    """Score a look by several detectors and take their mean: what only one sees counts in part.

    Their false alarms differ (the log ratio's sit on bright urban targets, the transformer's on
    texture edges), while a landslide moves both.

    Args:
        stack: normalised looks.
        detectors: at least one; those that need more polarisations than there are stand back, and
            ``complete`` of the result says so.

    Raises:
        ConfigurationError: no detector fits the polarisations of the looks.
    """
    polarisations = len(stack.looks.polarisations)
    able = [d for d in detectors if d.minimum_polarisations <= polarisations]
    if not able:
        wanted = ", ".join(d.name for d in detectors)
        raise ConfigurationError(f"{wanted}: none works on {polarisations} polarisation(s)")
    score = fused([d.score(stack) for d in able], able)
    return ScoreMap(
        grid=stack.looks.grid,
        score=score,
        change_db=stack.change_db,
        detector="+".join(d.name for d in able),
        weights_version="+".join(d.weights_version for d in able),
        config_hash=configuration_hash(PREPARATION, *able),
        wet_scene=stack.wet_scene,
        complete=len(able) == len(detectors) and polarisations > 1,
        observability=Observability(stack.looks.grid, stack.unseen),
    )
