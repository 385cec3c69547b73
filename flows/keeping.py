"""What is kept of a judgement as rasters: composites, score map, and what could be seen.

Files are written first; rows name them in the transaction that stores the judgement
(``flows.kept``). A disk that is full costs the rasters and never the judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import structlog
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from alerts.message import credit
from alerts.rules import marks
from db.records import CompositeRecord, Layer
from detectors.normalise import before_db
from detectors.radiometry import Power, to_db
from detectors.types import (
    Acquisition,
    Finding,
    Landslide,
    Unseen,
    WatchedRegion,
)
from flows.catalogs.footprints import raster_footprint
from flows.composites import Composites, Kind, Written, software
from flows.kept import stac_id
from flows.surveying import DETECTOR

if TYPE_CHECKING:
    from flows.examining import Examination
    from flows.judging import ScoredBlock
    from flows.rasters import Block
    from flows.settings import Settings

log = structlog.get_logger()

#: dB a step: products are calibrated to a few tenths of a dB.
STEP_DB = 0.05
#: Sigma a step: rounded to as much as scores may differ between machines (``SCORE_TOLERANCE``).
STEP_SIGMA = 0.02
#: Reflectance, NDVI and probability a step, as Sentinel-2 products have it.
STEP_OPTICAL = 0.0001
CODES = Kind(Layer.UNSEEN, ("unseen",), "code", 1.0, "uint8")


@dataclass(frozen=True, slots=True)
class Looks:
    """Which looks one layer shows."""

    ids: tuple[str, ...]
    """STAC item ids, oldest look first."""
    times: tuple[datetime, ...]
    """When the looks were taken, oldest first; items of one pass are one look."""

    def __add__(self, other: Looks) -> Looks:
        ids = dict.fromkeys((*self.ids, *other.ids))
        return Looks(tuple(ids), tuple(sorted({*self.times, *other.times})))


@dataclass(frozen=True, slots=True)
class Scored:
    """What made a score map."""

    detector: str
    """Registry name."""
    weights_version: str
    """Its weights."""
    config_hash: str
    """Its parameters."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was judged."""

    region: WatchedRegion
    """Where."""
    look: Acquisition
    """Which look."""
    landslide: Landslide | None
    """OPTICAL: which landslide."""
    simulated: bool
    """Some of the pixels hold what never happened, or the region is a drill."""

    @property
    def stac_id(self) -> str:
        """Name of the STAC item: the same look at the same thing has the same one."""
        landslide = self.landslide.id if self.landslide else None
        return stac_id(self.region.id, self.look, landslide)

    @property
    def stem(self) -> str:
        """Folder and beginning of the names of its files."""
        return f"{self.region.id}/{self.look.sensed_at:%Y}/{self.stac_id}"

    def tags(self, looks: Looks) -> dict[str, str]:
        """Return what every file says of itself."""
        exercise, simulated = self.region.simulated, self.simulated
        return {
            "TITLE": f"{self.region.name}, {self.look.sensed_at:%Y-%m-%d %H:%M} UTC",
            "STATUS": marks(exercise=exercise, simulated=simulated) or "actual",
            "CREDITS": credits_of(looks.ids, looks.times),
            "STAC_ID": self.stac_id,
            "SOFTWARE": software(),
        }


def credits_of(item_ids: Sequence[str], times: Sequence[datetime]) -> str:
    """Return the credits that looks demand."""
    said = dict.fromkeys(credit(times[0], times[-1], item) for item in item_ids)
    # A line that another one continues says nothing of its own.
    return "; ".join(
        line for line in said if not any(o != line and o.startswith(line) for o in said)
    )


class RadarKeeper:
    """Writes the layers of one radar look while it is judged; a context manager.

    It never raises what a disk or GDAL says: ``not_kept`` does.
    """

    def __init__(
        self, root: Path, region: WatchedRegion, look: Acquisition, earlier: Sequence[Acquisition]
    ) -> None:
        self.not_kept: str | None = None
        self._root, self._region, self._look = root, region, look
        self._simulated = {one.item_id for one in earlier if one.simulated}
        self._before: dict[datetime, dict[str, None]] = {}
        self._scored: Scored | None = None
        self._open = ExitStack()
        self._files: Composites | None = None

    def scored(self, scored: ScoredBlock) -> None:
        """Take a block that was judged."""
        rows, columns = scored.block.answering
        shown = scored.clean.gamma0[:, :, rows, columns]
        self._write(scored.block, {
            Layer.PRE: before_db(shown),
            Layer.POST: to_db(Power(scored.post.gamma0[0][:, rows, columns])),
            Layer.SCORE: scored.scores.score[rows, columns],
            Layer.UNSEEN: scored.scores.observability.codes[rows, columns],
        })  # fmt: skip
        stack, scores = scored.pre, scored.scores
        for at, items in zip(stack.sensed_at, stack.item_ids, strict=True):
            self._before.setdefault(at, {}).update(dict.fromkeys(items))
        self._scored = Scored(scores.detector, scores.weights_version, scores.config_hash)

    def blind(self, block: Block, codes: NDArray[np.uint8] | None) -> None:
        """Take a block in which nothing could be judged; ``codes`` None means no data at all."""
        rows, columns = block.answering
        told = np.full(block.grid.shape, Unseen.NO_DATA, np.uint8) if codes is None else codes
        self._write(block, {Layer.UNSEEN: told[rows, columns]})

    def finish(self) -> tuple[CompositeRecord, ...]:
        """Return the layers, which have their names now; none where they could not be written."""
        if self._files is None or self._scored is None or self.not_kept:
            return ()
        times = tuple(sorted(self._before))
        pre = Looks(tuple(item for at in times for item in self._before[at]), times)
        post = Looks((self._look.item_id,), (self._look.sensed_at,))
        simulated = self._region.simulated or self._look.simulated
        subject = Subject(
            self._region, self._look, None, simulated or not self._simulated.isdisjoint(pre.ids)
        )
        try:
            written = self._files.finish(subject.stem, subject.tags(pre + post))
        except (OSError, RasterioError) as error:
            self._give_up(error)
            return ()
        return _records(subject, written, pre, post, self._scored)

    def _write(self, block: Block, layers: dict[Layer, NDArray[Any]]) -> None:
        if self.not_kept:
            return
        try:
            if self._files is None:
                kinds = radar_kinds(self._look.polarisations)
                self._files = self._open.enter_context(Composites(self._root, block.whole, kinds))
            for layer, values in layers.items():
                self._files.write(layer, values, block.at)
        except (OSError, RasterioError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.not_kept = f"composites not kept: {error}"
        log.warning("composites not kept", item=self._look.item_id, reason=str(error))
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._open.close()


def radar_kinds(polarisations: Sequence[str]) -> list[Kind]:
    """Return the layers of a radar look."""
    names = tuple(polarisations)
    return [
        Kind(Layer.PRE, names, "dB", STEP_DB),
        Kind(Layer.POST, names, "dB", STEP_DB),
        Kind(Layer.SCORE, ("score",), "sigma", STEP_SIGMA),
        CODES,
    ]


def keep_examination(
    settings: Settings,
    region: WatchedRegion,
    landslide: Landslide,
    look: Acquisition,
    seen: Examination,
) -> tuple[CompositeRecord, ...]:
    """Write what an optical look was examined by; nothing where clouds hid all of it.

    Returns:
        The layers, which have their names now; none where nothing is to be kept, or could be.
    """
    if not settings.keep_composites_days or seen.check.finding is Finding.NOT_SEEN:
        return ()
    pre, post, change = seen.pre, seen.post, seen.compared.change
    if not (pre.sensed_at and post.sensed_at):
        return ()
    layers: dict[Layer, NDArray[Any]] = {
        Layer.PRE: pre.reflectance, Layer.POST: post.reflectance, Layer.UNSEEN: seen.unseen,
    }  # fmt: skip
    kinds = [
        Kind(Layer.PRE, pre.bands, "reflectance", STEP_OPTICAL),
        Kind(Layer.POST, post.bands, "reflectance", STEP_OPTICAL),
        CODES,
    ]
    if change is not None and seen.said is not None:
        layers[Layer.SCORE] = np.stack([change.relative, seen.said.mean])
        kinds.append(Kind(Layer.SCORE, ("d_ndvi", "ensemble"), "1", STEP_OPTICAL))
    simulated = region.simulated or look.simulated or landslide.simulated
    subject = Subject(region, look, landslide, simulated)
    before, after = (Looks(one.item_ids, one.sensed_at) for one in (pre, post))
    made = Scored(DETECTOR, seen.check.weights_version, seen.check.config_hash)
    try:
        with Composites(settings.composites, post.grid, kinds) as files:
            for layer, values in layers.items():
                files.write(layer, values, (0, 0))
            written = files.finish(subject.stem, subject.tags(before + after))
    except (OSError, RasterioError) as error:
        log.warning("composites not kept", item=look.item_id, reason=str(error))
        return ()
    return _records(subject, written, before, after, made)


def _records(
    subject: Subject, written: Sequence[Written], pre: Looks, post: Looks, made: Scored
) -> tuple[CompositeRecord, ...]:
    """Return what is to be stored of files: each with its own looks, the score map with all."""
    shown = {Layer.PRE: pre, Layer.SCORE: pre + post}
    return tuple(_record(subject, one, shown.get(one.kind.layer, post), made) for one in written)


def _record(subject: Subject, written: Written, looks: Looks, scored: Scored) -> CompositeRecord:
    kind, grid, times = written.kind, written.grid, looks.times
    made = scored if kind.layer is Layer.SCORE else None
    return CompositeRecord(
        stac_id=subject.stac_id,
        kind=kind.layer,
        sensor=subject.look.sensor,
        region_id=subject.region.id,
        acquisition_id=subject.look.id,
        landslide_id=subject.landslide.id if subject.landslide else None,
        sensed_at=subject.look.sensed_at,
        begins_at=times[0],
        ends_at=times[-1],
        looks=len(times),
        item_ids=looks.ids,
        bands=kind.bands,
        unit=kind.unit,
        scale=kind.scale,
        nodata=float(kind.nodata),
        data_type=kind.data_type,
        epsg=grid.epsg,
        transform=tuple(grid.transform)[:6],
        height=grid.height,
        width=grid.width,
        detector=made.detector if made else None,
        weights_version=made.weights_version if made else None,
        config_hash=made.config_hash if made else None,
        software=software(),
        path=written.path,
        bytes=written.bytes,
        sha256=written.sha256,
        simulated=subject.simulated,
        geometry=raster_footprint(grid.epsg, grid.transform, grid.shape),
    )
