"""A picture of a simulated event: before and after, from both directions, with the truth in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alerts.panels import as_png, draw_compass, draw_map, draw_outline, draw_scale, sheet, stretch
from detectors.simulation.scene import Scene
from detectors.types import FloatArray, Grid

#: Smallest side of what is shown, pixels, and side as a multiple of the largest landslide.
_LEAST, _AROUND = 110, 3.0
_VISIBLE, _HIDDEN, _POND, _ALIKE = "#e8452c", "#ff9d8a", "#3aa0ff", "#ffd54a"


def draw_event(scene: Scene, shown: Sequence[tuple[FloatArray, FloatArray]]) -> bytes:
    """Return a PNG: one row for each direction, before on the left, after on the right.

    Args:
        scene: the event.
        shown: by track, VV before and after, (y, x), dB.
    """
    visible = sum(one.visible for one in scene.slides)
    rows, columns = _around(scene)
    corner = scene.grid.transform @ scene.grid.transform.translation(columns.start, rows.start)
    here = Grid(scene.grid.epsg, corner, rows.stop - rows.start, columns.stop - columns.start)
    shown = [(before[rows, columns], after[rows, columns]) for before, after in shown]
    figure, places = sheet(
        f"SIMULATED event {scene.event_seed}: nothing of this happened",
        f"{scene.happened_at:%Y-%m-%d}: {len(scene.slides)} landslides (red), {visible} of them "
        "visible (full lines); ponds blue\n"
        f"look-alikes (yellow): {', '.join(one.kind.value for one in scene.look_alikes) or 'none'}",
        f"SIMULATED: computed, seed {scene.event_seed}, parameters {scene.parameters_sha256[:12]}; "
        "VV gamma0, dB",
    )
    low, high = stretch(
        *(band for pair in shown for band in pair), percentiles=(2, 98), least=6.0, empty=(-20, 0)
    )
    for line, (track, pair) in enumerate(zip(scene.tracks, shown, strict=True)):
        first = next(t for t in track.stack.sensed_at if t >= scene.happened_at)
        titles = (
            (f"{track.orbit_state.value}, before", "median of the looks before"),
            (f"after, {first:%Y-%m-%d}", "first look after"),
        )
        for column, (layer, title) in enumerate(zip(pair, titles, strict=True)):
            axes = draw_map(
                figure, places[line, column], here.bounds, layer, title,
                cmap="gray", vmin=low, vmax=high,
            )  # fmt: skip
            for alike in scene.look_alikes:
                draw_outline(axes, alike.outline, color=_ALIKE, linewidth=0.8)
            for one in scene.slides:
                seen = one.views[track.name].visible
                draw_outline(
                    axes, one.outline, linewidth=1.0, linestyle="-" if seen else ":",
                    color=_VISIBLE if seen else _HIDDEN,
                )  # fmt: skip
                if one.slide.pond is not None:
                    draw_outline(axes, one.slide.pond, color=_POND, linewidth=1.0)
            if column == 0:
                draw_scale(axes)
                draw_compass(axes, look=track.viewing.azimuth)
    return as_png(figure)


def _around(scene: Scene) -> tuple[slice, slice]:
    """Return rows and columns around the largest landslide, a visible one where there is any."""
    seen = [one for one in scene.slides if one.visible] or list(scene.slides)
    height, width = scene.grid.shape
    if not seen:
        return slice(0, height), slice(0, width)
    largest = max(seen, key=lambda one: one.area_m2).outline
    west, south, east, north = largest.bounds
    pixel = scene.grid.transform.a
    side = math.ceil(max(_LEAST, _AROUND * max(east - west, north - south) / pixel))
    column, row = ~scene.grid.transform @ ((west + east) / 2, (south + north) / 2)
    side = min(side, height, width)
    top = min(max(round(row - side / 2), 0), height - side)
    left = min(max(round(column - side / 2), 0), width - side)
    return slice(top, top + side), slice(left, left + side)
