"""Simulated events on disk: an archive that a replay runs, the truth, elevation and a picture each.

Everything that is written says simulated: items, names of files, metadata of the truth, pictures.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path

import numpy as np

from detectors.errors import ConfigurationError
from detectors.radiometry import Power, to_db
from detectors.simulate_ground import BANDS
from detectors.simulation.optics import optical_passes
from detectors.simulation.parameters import POLARISATIONS, load_parameters
from detectors.simulation.scene import Scene, simulate
from flows.archive.cogs import Raster, write_cog
from flows.archive.manifest import ArchiveReport
from flows.archive.optical import Picture, write_optical_archive
from flows.archive.simulated import RadarLook, write_radar_archive
from flows.simulated_picture import draw_event
from flows.simulated_truth import write_truth

COLLECTION, OPTICAL_COLLECTION = "opera-rtc-s1-simulated", "sentinel-2-l2a-simulated"
#: Beside the radar archive, inside its folder.
TRUTH, OPTICAL, FIGURES = "truth_SIMULATED.gpkg", "optical", "parameters.toml"
#: Square of the optical tiling that the simulated ground lies in.
TILE = "24TWQ"
#: Events of one archive stand side by side; more would reach real ground.
MOST_EVENTS = 50


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """One event of an archive, in numbers."""

    event_seed: int
    """What it was made from."""
    happened_at: datetime
    """When its landslides happened, UTC."""
    slides: int
    """Landslides."""
    visible: int
    """Of those, how many any track could see (noiseless)."""
    ponds: int
    """How many dammed a pond."""
    look_alikes: tuple[str, ...]
    """Changes that are no landslides."""
    wet_looks: int
    """Looks over wet ground, both tracks."""
    snow_looks: int
    """Looks with wet snow, both tracks."""


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What was written. All of it is simulated."""

    radar: ArchiveReport
    """The archive, with truth, elevation and pictures inside its folder."""
    optical: ArchiveReport | None
    """The optical archive, inside the same folder; None where it was not asked for."""
    truth: Path
    """GeoPackage with the layers slides, parts, look_alikes, looks."""
    events: tuple[SimulatedEvent, ...]
    """The events, by seed."""
    parameters_sha256: str
    """Of the frozen figures."""
    simulated: bool = True
    """Always."""


def write_events(
    out: Path,
    *,
    seed: int,
    events: int,
    size: int = 300,
    optical: bool = False,
    replace: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> SimulationReport:
    """Simulate events and write them; one is in memory at a time.

    Args:
        out: new folder: a radar archive with everything else inside.
        seed: of the first event; the next ones follow by one.
        events: how many, 1 to 50.
        size: pixels of 30 m on each side of an event.
        optical: write Sentinel-2 over the same ground too.
        replace: an archive already at ``out`` may be replaced.
        progress: called with the number of events that are done.

    Raises:
        ConfigurationError: numbers out of range.
        InvalidArchive: ``out`` is taken.
    """
    if not 1 <= events <= MOST_EVENTS or seed < 0 or not 60 <= size <= 600:
        raise ConfigurationError(
            f"1 to {MOST_EVENTS} events of 60 to 600 pixels and a seed from 0 on can be simulated"
        )
    scenes: list[SimulatedEvent] = []
    # What belongs to the archive gathers beside it until the archive's own folder stands.
    aside = out.with_name(f"{out.name}.truth.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    where = f"Seeds {seed} to {seed + events - 1}, parameters {load_parameters().sha256[:12]}."

    def looks() -> Iterator[RadarLook]:
        for number in range(events):
            scene = simulate(seed + number, size=size, number=number)
            yield from radar_looks(scene)
            _write_aside(scene, aside, first=number == 0)
            scenes.append(_in_numbers(scene))
            progress(number + 1)

    def pictures() -> Iterator[Picture]:
        for number in range(events):
            yield from optical_pictures(simulate(seed + number, size=size, number=number), number)

    def gather(stage: Path) -> None:
        for path in sorted(aside.iterdir()):
            shutil.move(path, stage / path.name)

    try:
        radar = write_radar_archive(
            looks(), out, collection=COLLECTION, title=f"{events} landslide events",
            changes=where, also=gather, replace=replace,
        )  # fmt: skip
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    seen = None
    if optical:
        seen = write_optical_archive(
            pictures(), BANDS, out / OPTICAL, collection=OPTICAL_COLLECTION,
            title=f"Sentinel-2 over {events} landslide events", changes=where,
        )  # fmt: skip
    return SimulationReport(
        radar, seen, out / TRUTH, tuple(scenes), load_parameters().sha256
    )  # fmt: skip


def radar_looks(scene: Scene) -> Iterator[RadarLook]:
    """Return every look of an event, track by track."""
    for track in scene.tracks:
        for k, moment in enumerate(track.stack.sensed_at):
            weather = track.looks[k]
            yield RadarLook(
                sensed_at=moment, burst_id=track.burst_id, orbit_state=track.orbit_state,
                grid=scene.grid, gamma0=track.stack.gamma0[k], polarisations=POLARISATIONS,
                unseen=track.unseen,
                properties={
                    "scarpwatch:edited": moment >= scene.happened_at,
                    "scarpwatch:event_seed": scene.event_seed,
                    "scarpwatch:parameters_sha256": scene.parameters_sha256,
                    "scarpwatch:wet": weather.wet,
                    "scarpwatch:wet_snow": weather.snow,
                },
            )  # fmt: skip


def optical_pictures(scene: Scene, number: int) -> Iterator[Picture]:
    """Return every optical picture of an event; events of one archive differ by seconds."""
    for turn, one in enumerate(optical_passes(scene)):
        yield Picture(
            sensed_at=one.sensed_at + timedelta(seconds=number),
            platform=f"sentinel-2{'ab'[turn % 2]}",
            tile=TILE, grid=one.grid, reflectance=one.reflectance, scl=one.scl, sun=one.sun,
            edited=one.edited,
        )  # fmt: skip


def _write_aside(scene: Scene, folder: Path, *, first: bool) -> None:
    """Write what belongs to an event beside its looks."""
    if first:
        figures = resources.files("detectors.simulation").joinpath(FIGURES)
        (folder / FIGURES).write_bytes(figures.read_bytes())
    write_truth(scene, folder / TRUTH)
    elevation = Raster(
        scene.elevation, scene.grid.epsg, scene.grid.transform, {"SIMULATED": "yes"}
    )  # fmt: skip
    write_cog(folder / f"elevation-{scene.event_seed}_SIMULATED.tif", elevation)
    picture = draw_event(scene, _shown(scene))
    (folder / f"event-{scene.event_seed}_SIMULATED.png").write_bytes(picture)


def _shown(scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return VV before (median) and at the first look after, dB, of each track."""
    shown = []
    for track in scene.tracks:
        levels = to_db(Power(track.stack.gamma0[:, 0]))
        before = [k for k, t in enumerate(track.stack.sensed_at) if t < scene.happened_at]
        shown.append((np.median(levels[before], axis=0), levels[before[-1] + 1]))
    return shown


def _in_numbers(scene: Scene) -> SimulatedEvent:
    weather = [look for track in scene.tracks for look in track.looks]
    return SimulatedEvent(
        event_seed=scene.event_seed,
        happened_at=scene.happened_at,
        slides=len(scene.slides),
        visible=sum(one.visible for one in scene.slides),
        ponds=sum(one.slide.pond is not None for one in scene.slides),
        look_alikes=tuple(one.kind.value for one in scene.look_alikes),
        wet_looks=sum(look.wet for look in weather),
        snow_looks=sum(look.snow for look in weather),
    )
