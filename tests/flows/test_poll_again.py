"""A poll whose catalogue does not answer asks again by itself, as a run of a real Prefect."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import MultiPolygon, box

from db import queries, store
from db.engine import transaction
from detectors.types import WatchedRegion
from tests.watching import landing_page

RUN = "from flows.monitor import poll_regions; print(poll_regions('every-1800-s'))"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_silent_catalogue_is_asked_again_after_seconds_and_a_wrong_one_is_not(
    engine, misbehaving, reply, no_settings, tmp_path
) -> None:
    misbehaving.on("/", reply(landing_page(misbehaving.url)))
    misbehaving.on("/collections/any", reply({"type": "Collection", "id": "any"}))
    watched = [
        WatchedRegion(name, name, MultiPolygon([box(x, 46, x + 0.1, 46.1)]), (f"{name}/any",))
        for name, x in (("odd", 7), ("wrong", 8))
    ]
    with transaction(engine) as s:
        for region in watched:
            store.save_region(s, region)
    lines = [f'[catalogues.odd]\nkind = "stac"\nurl = "{misbehaving.url}"']
    lines += ["attempts = 1", 'published_property = "published"', 'window = "P36500D"']
    (no_settings / "scarpwatch.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(folder: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "SCARPWATCH_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        }  # fmt: skip
        environment.pop("PREFECT_API_URL", None)
        return subprocess.run(
            [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True
        )

    nothing = {"type": "FeatureCollection", "features": [], "links": []}
    silent: Any = reply({"detail": "down"}, status=503)
    misbehaving.on("/search", silent, silent, reply(nothing))
    ran = run(tmp_path / "prefect")
    # Asked again until it answered; what is set up wrongly is told all the same, and fails the run.
    assert len(misbehaving.asked_at("/search")) == 3, ran.stderr
    assert ran.returncode != 0
    assert "CatalogueUnavailable: wrong/any: " in ran.stderr
    assert "poll-again" in ran.stderr
    with transaction(engine) as s:
        polls = {one.source: one for one in queries.list_polls(s)}
        assert polls["odd/any"].error is None
        assert polls["odd/any"].succeeded_at > datetime(2026, 1, 1, tzinfo=UTC)
        assert polls["wrong/any"].error
        store.remove_region(s, "wrong")

    misbehaving.on("/search", reply(nothing))
    ran = run(tmp_path / "prefect")
    assert ran.returncode == 0, ran.stderr
    assert ast.literal_eval(ran.stdout.splitlines()[-1]) == {"regions": 1, "new": 0, "begun": 0}
