"""The real service with its Prefect server, killed once at work; ``make chaos`` does it often."""

from __future__ import annotations

import pytest

from bench.chaos.rounds import Tally
from bench.chaos.service import killed_services
from bench.chaos.stage import Stage


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_service_is_killed_at_work_and_nothing_is_lost(on: Stage) -> None:
    tally = Tally()
    with on.world() as world:
        # This seed does not kill it as it starts.
        for _ in killed_services(world, 2, 1, tally):
            pass
        looks = {row["state"] for row in world.rows()["looks"]}
        taken = world.received()
    assert tally.broken == []
    assert (tally.services, tally.working, tally.checks) == (1, 1, 2)
    assert looks == {"baseline", "processed"}
    assert taken
