"""``scarpwatch backfill`` and ``scarpwatch activate`` as they are typed; the work is elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.usefixtures("stored")
def test_what_is_typed_wrongly(cli: Any, tmp_path: Path) -> None:
    def said(*words: Any, status: int = 2) -> str:
        return " ".join(cli(*words, status=status).stderr.split())

    box, since = "-119.9,34.4,-119.6,34.7", ("--since", "2023-01-01")
    # A box that begins with a minus is no option, and a misspelt option is no box.
    told = said("activate", box, *since, "--source", "nowhere/x", "--out", tmp_path / "out")
    assert "no catalogue 'nowhere' in the settings" in told
    assert not (tmp_path / "out").exists()
    assert "unexpected extra argument" in said("activate", box, *since, "--sorce", "nowhere/x")
    assert "no watched region (big-sur, san-rafael)" in said("activate", "bigsur", *since)
    assert "west,south,east,north" in said("activate", "9,50,8,51", *since, status=1)
    assert "big-sur is watched since 2023-01-01" in said("backfill", "big-sur", *since)
    assert "no region nowhere" in said("backfill", "nowhere", *since).replace("'", "")
    assert "2023-13-01" in said("backfill", "big-sur", "--since", "2023-13-01")
