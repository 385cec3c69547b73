"""Killed in the middle of a look: spent is spent, and all but what was under way is counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from db import costs
from flows import imagery, kept_open
from tests.series import DAYS

#: 64 x 64 pixels in four blocks, judged by a worker that ends with the look. No file stays open, so
#: that each block asks for something, as it does where a look is of many tiles.
PIXELS, BLOCKS = 32, 4
WORKER = f"""
from flows import imagery, kept_open, settings, steps
from flows.services import open_services
imagery.BLOCK_PIXELS, kept_open.STAYS_OPEN_S = {PIXELS}, 0.0
with open_services(settings.load()) as services:
    steps.detect_due(services, "slope", limit=1)
"""


def charged(w: Any) -> costs.Spending:
    with w.open() as s:
        lines = costs.list_costs(s, datetime.now(UTC).date(), "slope")
    return next((one.spent for one in lines if one.work == "judge"), costs.Spending())


@pytest.mark.long
def test_a_kill_loses_the_count_of_what_was_under_way(
    served: Any, files: Any, operate: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = served()
    operator = operate(w, {})
    w.reach()
    w.poll()
    # The oldest pass is read last, by three requests a block: this is the end of the second block.
    oldest = f"{w.item(DAYS[0])}_VH.tif"
    files.rules({"match": oldest, "hold": True, "after": 5})
    worker = operator.start("-c", WORKER)
    wait_until(lambda: sum(oldest in asked for asked in files.seen()) > 5)
    # The first block is judged meanwhile, and then counted.
    wait_until(lambda: charged(w).requests > 0)
    operator.kill(worker)
    seen, counted = len(files.seen()), charged(w)
    files.release()

    # The same look again, by a worker that nobody kills: what all of its blocks take.
    files.rules()
    monkeypatch.setattr(imagery, "BLOCK_PIXELS", PIXELS)
    monkeypatch.setattr(kept_open, "STAYS_OPEN_S", 0.0)
    (look,) = w.detect(limit=1)
    assert (look.item_id, look.state) == (w.item(DAYS[6]), "processed")
    whole = len(files.seen())
    assert charged(w).requests == counted.requests + whole
    assert 0 < seen - counted.requests <= whole / BLOCKS + 1
