"""The trained transformer of NASA JPL's ``distmetrics``: what ought this look to be, how surely.

Hardiman-Mostow et al. 2025 (arXiv:2501.09129): a spatio-temporal transformer predicts mean and
variance of the next look from up to ten earlier ones, in LOGITS of gamma0, 16 x 16 pixels at a
time; the score is the distance of the look from the prediction in predicted standard deviations.

Two things differ from the published metric. Wide shifts are taken out before prediction (see
``normalise``), and the score is signed and expressed in sigma of *observed* quiet ground: over the
quiet California looks the distances scatter by 0.3 to 0.6 of what the model expects, so the raw
distance is divided by ``quiet_sigma``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from detectors.normalise import NormalisedStack, standardise
from detectors.prediction import predict
from detectors.radiometry import Decibel, db_to_logit, fill_nearest
from detectors.types import FloatArray

if TYPE_CHECKING:
    import torch

MODEL = "transformer_optimized"


@functools.cache
def load_model() -> torch.nn.Module:
    """Load the transformer shipped inside the ``distmetrics`` wheel, for the CPU or a GPU.

    The import takes seconds, so it waits until a look has to be judged.
    """
    part = _part_of("distmetrics", "model_load")
    model: torch.nn.Module = part.load_transformer_model(MODEL, device=part.get_device())
    return model


def _part_of(package: str, name: str) -> Any:
    """Import one module of a package, which need not run all of its own imports for that.

    ``distmetrics`` brings astropy, geopandas and scipy.stats along, which take longer than
    judging a village; its model needs torch and einops. Whoever imports the package gets it whole.
    """
    spec = None if package in sys.modules else importlib.util.find_spec(package)
    if spec is None:
        return importlib.import_module(f"{package}.{name}")
    sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(f"{package}.{name}")
    finally:
        del sys.modules[package]


@functools.cache
def weights_version() -> str:
    """Return package version, model and the first twelve digits of the weights' sha256."""
    version = importlib.metadata.version("distmetrics")
    distribution = importlib.metadata.files("distmetrics") or []
    weights = next(f for f in distribution if f.as_posix().endswith(f"{MODEL}/weights.pth"))
    digest = hashlib.sha256(weights.read_binary()).hexdigest()
    return f"distmetrics-{version}/{MODEL}/{digest[:12]}"


@dataclass(frozen=True, slots=True)
class SarDisturbance:
    """Signed distance from the transformer's prediction."""

    stride: int = 8
    """Step of the 16-pixel window, pixels."""
    quiet_sigma: float = 0.5
    """Scatter of quiet ground in predicted standard deviations."""
    batch: int = 32
    """Windows judged at once; memory, not result."""
    weight: float = 0.4
    """Share beside ``sar_log_ratio``."""

    name: ClassVar[str] = "sar_disturbance"
    minimum_polarisations: ClassVar[int] = 2

    @property
    def weights_version(self) -> str:
        """Version and checksum of the weights in use."""
        return weights_version()

    def score(self, stack: NormalisedStack) -> FloatArray:
        """Return the signed score, float32 (y, x), sigma of quiet ground, NaN = not judged."""
        model = load_model()
        padding, crop = self._padding(stack.judged.shape, cast("int", model.input_size))
        pre = np.pad(_without_gaps(stack), [(0, 0), (0, 0), *padding], mode="symmetric")
        wanted = np.pad(stack.judged, padding, mode="constant")
        mean, sigma = predict(
            model, db_to_logit(Decibel(pre)), self.stride, wanted=wanted, batch=self.batch
        )
        distance = (db_to_logit(Decibel(stack.post_db)) - mean[:, *crop]) / sigma[:, *crop]
        scores = []
        for band, strata in enumerate(stack.strata):
            score = (distance[band] / self.quiet_sigma).astype(np.float32)
            score[~stack.judged] = np.nan
            scores.append(standardise(score, strata))
        fused: FloatArray = np.mean(scores, axis=0, dtype=np.float32)
        return fused

    def _padding(
        self, shape: tuple[int, ...], window: int
    ) -> tuple[list[tuple[int, int]], tuple[slice, slice]]:
        """Return how far to reflect, so that edge pixels lie in as many windows as others.

        Returns:
            Pixels before and after, by axis, and where the image lies in the padded one.
        """
        margin = window - self.stride
        padding = [(margin, margin - (size + 2 * margin - window) % -self.stride) for size in shape]
        height, width = shape
        return padding, (slice(margin, margin + height), slice(margin, margin + width))


def _without_gaps(stack: NormalisedStack) -> FloatArray:
    """Leave out looks without data and fill what others miss; one NaN would silence its pixel.

    A pixel that a look missed gets its own level, pixels that are not judged their nearest
    neighbour's.

    Returns:
        float32 (look, polarisation, y, x), dB, without NaN.
    """
    pre = stack.pre_db[np.isfinite(stack.pre_db).any(axis=(1, 2, 3))]
    level = np.where(stack.judged, stack.level_db, np.nan)
    pre = np.where(np.isnan(pre), level, pre)
    return np.stack([[fill_nearest(band) for band in look] for look in pre])
