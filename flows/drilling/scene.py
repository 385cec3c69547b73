"""What the whole drill watches, and where its clock stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flows.demo.scene import regions
from flows.demo.stage import Play
from flows.drill import WHOLE

#: The clock stops when batches of looks become visible. First what was before; then the first radar
#: look that shows anything, and the second; the optical looks that decide; and when waiting is over
#: for what they could not see, and for what they confirmed.
STOPS = tuple(
    datetime.fromisoformat(f"{day}T23:59:00+00:00")
    for day in (
        "2023-11-15", "2023-11-22", "2023-12-04", "2023-12-13", "2023-12-31", "2024-05-15",
        "2025-01-31",
    )
)  # fmt: skip
#: The stop at which something is suspected for the first time, and the one of the first verdict.
FIRST_SUSPECTED, FIRST_VERDICT = STOPS[1], STOPS[3]

_DRILL, _ = regions()
PLAY = Play(
    name="drill",
    drill=WHOLE,
    regions=(replace(_DRILL, id="drill", name="San Rafael mountains (drill)"),),
    real=False,
    pages=False,
    pictures=True,
)
