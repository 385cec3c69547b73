"""Scores of a block that several regions have in common: worked out once.

The key is made of the very pixels that went in, with all that shapes a score: whatever differs
between two regions, such as a known landslide that one of them leaves out, makes another key. So a
score from the shelf is bit for bit the one that would have been worked out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from detectors import registry
from detectors.conditions import Conditions
from detectors.normalise import Compared, Despeckle, normalise
from detectors.registry import SarDetector
from detectors.types import (
    BoolArray,
    FloatArray,
    LookStack,
    Observability,
    ScoreMap,
)
from flows.composites import software
from flows.shelf import Shelf, digest


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a normalised stack: what is asked of it once it was scored."""

    looks: LookStack
    """The post look as it was read."""
    strata: NDArray[np.int8]
    """(polarisation, y, x), stratum of the level, -1 = not judged."""
    judged: BoolArray
    """(y, x), observed now and often enough before, and above the noise."""
    conditions: Conditions
    """What moved the look as a whole."""


def compare_and_score(
    clean: LookStack,
    post: LookStack,
    unseen: NDArray[np.uint8] | None,
    elevation: FloatArray | None,
    detectors: Sequence[SarDetector],
    shelf: Shelf | None,
    despeckle: Despeckle | None = None,
) -> tuple[Compared, ScoreMap]:
    """Normalise a block and score it, or take from the shelf what came out of the same pixels.

    Of two processes that want the same, the second one waits for the first. Arguments and errors
    are those of ``normalise`` and ``registry.judge``.
    """

    def made() -> tuple[Compared, ScoreMap]:
        stack = normalise(clean, post, unseen, elevation, despeckle)
        return stack, registry.judge(stack, detectors)

    if shelf is None:
        return made()
    key = _key(clean, post, unseen, elevation, detectors)
    if (content := shelf.get(key)) is None:
        return _alone(shelf, key, post, made)
    return _unpack(content, post)


def _alone(
    shelf: Shelf, key: str, post: LookStack, made: Callable[[], tuple[Compared, ScoreMap]]
) -> tuple[Compared, ScoreMap]:
    with shelf.alone(key):
        if (content := shelf.get(key)) is not None:
            return _unpack(content, post)
        stack, scores = made()
        shelf.put(key, _pack(stack, scores))
        return stack, scores


def _key(
    clean: LookStack, post: LookStack, unseen: NDArray[np.uint8] | None,
    elevation: FloatArray | None, detectors: Sequence[SarDetector],
) -> str:  # fmt: skip
    grid = post.grid
    arrays = (clean.gamma0, post.gamma0, unseen, elevation)
    return digest(
        "scores", software(), grid.epsg, tuple(grid.transform)[:6], grid.shape, post.track,
        post.polarisations, clean.sensed_at, post.sensed_at, clean.item_ids, post.item_ids,
        registry.configuration_hash(registry.PREPARATION, *detectors),
        [(one.name, one.weights_version, one.weight) for one in detectors],
        *(b"" if a is None else np.ascontiguousarray(a).tobytes() for a in arrays),
    )  # fmt: skip


def _pack(stack: Compared, scores: ScoreMap) -> bytes:
    told = io.BytesIO()
    np.savez(
        told, strata=stack.strata, score=scores.score, change=scores.change_db,
        codes=scores.observability.codes, judged=stack.judged,
        conditions=np.frombuffer(json.dumps(asdict(stack.conditions)).encode(), np.uint8),
        made=np.array([scores.detector, scores.weights_version, scores.config_hash]),
        flags=np.array([scores.wet_scene, scores.complete]),
    )  # fmt: skip
    return told.getvalue()


def _unpack(content: bytes, post: LookStack) -> tuple[Compared, ScoreMap]:
    with np.load(io.BytesIO(content), allow_pickle=False) as told:
        weather = Conditions(**json.loads(told["conditions"].tobytes()))
        stack = Kept(post, told["strata"], told["judged"], weather)
        detector, weights, config = (str(text) for text in told["made"])
        wet, complete = (bool(flag) for flag in told["flags"])
        scores = ScoreMap(
            grid=post.grid, score=told["score"], change_db=told["change"], detector=detector,
            weights_version=weights, config_hash=config, wet_scene=wet, complete=complete,
            observability=Observability(post.grid, told["codes"]),
        )  # fmt: skip
    return stack, scores
