"""Handing work to a Dask cluster, one look or one region's landslide checks at a time.

The cluster only says in which process a look is claimed: leases in PostGIS say who has it. Dask
gives the task of a worker that died to another one, which finds the dead worker's look: at once
where both are of one machine, else when its lease ran out. So nothing is judged twice, whatever
Dask believes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from detectors.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from prefect.tasks import Task

    from flows.distribution import DistributionSettings

#: Seconds that the scheduler gets to answer.
CONNECT_SECONDS = 20

type Ask = Callable[[Task[..., Any], str], Any]


@contextmanager
def cluster(distribution: DistributionSettings) -> Iterator[Ask]:
    """Connect to the cluster; yield what runs a task there for a region and waits for its result.

    Raises:
        TransientError: no scheduler answers, or it has no workers.
        ConfigurationError: a worker runs several tasks at once.
    """
    from prefect_dask.task_runners import DaskTaskRunner  # Dask takes a second to import

    address = distribution.dask_address
    runner = DaskTaskRunner(address=address, client_kwargs={"timeout": CONNECT_SECONDS})
    with runner:
        try:
            threads: dict[str, int] = runner.client.nthreads()  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError) as error:
            raise TransientError(f"no Dask scheduler answers at {address}") from error
        if not threads:
            raise TransientError(f"the Dask scheduler at {address} has no workers")
        if any(count != 1 for count in threads.values()):
            # GDAL counts what it fetches by process: costs would be charged to others.
            raise ConfigurationError("start every Dask worker with --nthreads 1")
        yield lambda task, region_id: runner.submit(task, {"region_id": region_id}).result()


def judge_each(
    distribution: DistributionSettings,
    one_look: Task[..., Any],
    region_id: str,
    judge_for: timedelta,
) -> dict[str, int]:
    """Have the due looks of a region judged one after the other, each wherever there is room.

    One after the other because what a look finds is left out of later ones' histories; regions go
    side by side.

    Args:
        distribution: where.
        one_look: judges one due look; returns what became of it, None where none was due.
        region_id: watched region.
        judge_for: no further look is begun after so long, since other regions want their turn.

    Returns:
        How many looks ended in which state.
    """
    ended: Counter[str] = Counter()
    until = time.monotonic() + judge_for.total_seconds()
    with cluster(distribution) as ask:
        while (state := ask(one_look, region_id)) is not None:
            ended[state] += 1
            if time.monotonic() >= until:
                break
    return dict(ended)


def check_region(
    distribution: DistributionSettings, checks: Task[..., Any], region_id: str
) -> dict[str, int]:
    """Have the landslides of a region checked; whatever is checked is stored one by one."""
    with cluster(distribution) as ask:
        found: dict[str, int] = ask(checks, region_id)
    return found
