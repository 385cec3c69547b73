"""A SIMULATED pond in real looks, from the look to the words and the picture."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from alerts.message import render
from db import outbox, queries
from detectors.types import Grid, Kind, LookStack, Sensor, State, Tier
from flows.archive.derive import derive
from flows.archive.manifest import open_archive
from flows.pictures import draw_landslide
from tests.ponds import CALM, drown
from tests.scenes import slide_at
from tests.series import EPSG, HAPPENED, STEEP, day


@pytest.fixture(scope="module")
def pond_series(quiet_series: Path) -> Path:
    """The quiet looks with 4 ha of water from the ninth pass on."""

    def plant(item: dict[str, Any], looks: Mapping[str, Any]) -> Mapping[str, Any] | None:
        properties = item["properties"]
        sensed = datetime.fromisoformat(properties["datetime"])
        if sensed < HAPPENED:
            return None
        grid = Grid(EPSG, Affine(*properties["proj:transform"]), *properties["proj:shape"])
        stack = LookStack(
            grid, "track", ("VV", "VH"), np.stack([looks["VV"], looks["VH"]])[None], (sensed,),
            ((item["id"],),),
        )  # fmt: skip
        wet = drown(stack, [slide_at(grid, 32, 32, 45, 205.0)], CALM, sensed.day).gamma0[0]
        return {"VV": wet[0], "VH": wet[1]}

    return derive(
        open_archive(quiet_series), quiet_series.with_name("pond"), plant, collection="pond",
        changes="4 ha drowned.", bursts=[STEEP],
    ).path  # fmt: skip


def test_new_water_goes_from_the_look_to_the_alert(
    served: Any, pond_series: Path, tmp_path: Path
) -> None:
    w = served(archive=pond_series)
    w.run()
    with w.open() as s:
        found = queries.list_landslides(s, w.region.id)
        seen = queries.list_detections(s, w.region.id)
        told = outbox.list_alerts(s)
    ponds = [one for one in found if one.kind is Kind.PONDING]
    assert len(ponds) == 1, "two looks at one pond are one finding"
    (pond,) = ponds
    assert (pond.state, pond.tier, pond.simulated) == (State.SUSPECTED, Tier.LIKELY, True)
    assert pond.looks == 2
    assert (day(pond.not_before), day(pond.not_after)) == ("2023-11-09", "2023-11-21")
    assert {one.detector for one in seen if one.kind is Kind.PONDING} == {"ponding"}
    # The water itself is not told a second time, as a landslide.
    for slide in found:
        if slide.kind is Kind.LANDSLIDE:
            shared = slide.geometry.intersection(pond.geometry).area
            assert shared < 0.5 * slide.geometry.area
    alert, update = [one.alert for one in told[::-1] if one.alert.landslide.id == pond.id]
    assert (alert.kind, update.kind) == ("suspected", "updated")
    message = render(alert)
    assert message.title.startswith("EXERCISE SIMULATED: New water, perhaps a blocked valley")
    assert message.payload["severity"] == "Severe"
    assert draw_landslide(w.services, pond.id, tmp_path / "pond.png") is Sensor.SAR
    assert (tmp_path / "pond.png").stat().st_size > 20_000
