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
from concurrent.futures import CancelledError
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from detectors.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from prefect.tasks import Task
    from prefect_dask.task_runners import DaskTaskRunner, PrefectDaskFuture

    from flows.distribution import DistributionSettings

#: Seconds that the scheduler gets to answer.
CONNECT_SECONDS = 20
#: Seconds that a task waits while the scheduler has no worker: one that is started anew joins.
ALONE_SECONDS = 60.0
#: Seconds after which it is asked again whether there are workers.
ASK_SECONDS = 5.0

type Ask = Callable[[Task[..., Any], str], Any]


@contextmanager
def cluster(distribution: DistributionSettings) -> Iterator[Ask]:
    """Connect to the cluster; yield what runs a task there for a region and waits for its result.

    What waits raises ``TransientError`` where scheduler or workers are gone; the work they had is
    in PostGIS, for the next run.

    Raises:
        TransientError: no scheduler answers, or it has no workers.
        ConfigurationError: a worker runs several tasks at once.
    """
    from prefect_dask.task_runners import DaskTaskRunner  # Dask takes a second to import

    address = str(distribution.dask_address)
    runner = DaskTaskRunner(address=address, client_kwargs={"timeout": CONNECT_SECONDS})
    with runner:
        threads = _threads(runner, address)
        if not threads:
            raise _alone(address)
        if many := sorted(worker for worker, count in threads.items() if count != 1):
            # GDAL counts what it fetches by process: costs would be charged to others.
            raise ConfigurationError(
                f"the Dask worker {many[0]} runs {threads[many[0]]} tasks at once; start every"
                " worker with --nthreads 1, several of them for several cores"
            )

        def ask(task: Task[..., Any], region_id: str) -> Any:
            return _wait(runner.submit(task, {"region_id": region_id}), runner, address)

        yield ask


def _threads(runner: DaskTaskRunner, address: str) -> dict[str, int]:
    """Return how many threads each worker has.

    Raises:
        TransientError: no scheduler answers.
    """
    try:
        found: dict[str, int] = runner.client.nthreads()  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise _silent(address) from error
    return found


def _wait(future: PrefectDaskFuture[Any], runner: DaskTaskRunner, address: str) -> Any:
    """Return what a task returned, or raise what it raised.

    Raises:
        TransientError: the scheduler is gone, or has had no worker for ``ALONE_SECONDS``, or
            several workers died one after the other at this task.
    """
    from distributed import Future, KilledWorker

    inner: Future[Any] = future.wrapped_future
    seen = time.monotonic()
    while True:
        try:
            inner.exception(timeout=ASK_SECONDS)  # type: ignore[no-untyped-call]
            break
        except TimeoutError:
            if _threads(runner, address):
                seen = time.monotonic()
            elif time.monotonic() - seen >= ALONE_SECONDS:
                inner.cancel()  # type: ignore[no-untyped-call]
                raise _alone(address) from None
    try:
        return future.result()
    except CancelledError as error:
        raise _silent(address) from error
    except KilledWorker as error:
        raise TransientError(
            f"Dask workers died one after the other at the same task ({address}): see their logs,"
            " and give them more memory; the look is taken up again by the next poll"
        ) from error


def _silent(address: str) -> TransientError:
    return TransientError(
        f"no Dask scheduler answers at {address}: start it, or set dask_address under"
        " [distribution]; the next poll goes on"
    )


def _alone(address: str) -> TransientError:
    return TransientError(
        f"the Dask scheduler at {address} has no workers: start some with"
        f" dask worker {address} --nthreads 1; the next poll goes on"
    )


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
