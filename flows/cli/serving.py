"""``scarpwatch serve``: polls on schedule, with Prefect's pages beside."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import open_world
from flows.cli.output import length, plain, screen

if TYPE_CHECKING:
    from detectors.types import WatchedRegion
    from flows.services import Services


def serve(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="N", help="Of Prefect's pages; 0 takes a free one."),
    ] = None,
) -> None:
    """Poll every region on its schedule, judge, deliver, until Ctrl-C.

    Prefect's pages, on this machine only, show every run and its log. Work that was cut off is
    taken up again at the next start. Where `work_pool` is set, the workers of that pool run the
    flows, and only Prefect's server is kept here.
    """
    # A plain end would leave the Prefect server behind.
    signal.signal(signal.SIGTERM, _leave)
    with open_world() as services:
        watched = _watched(services)
        if port is not None:
            services = _on_port(services, port)
        _run(services, watched)


def _leave(*_: Any) -> None:
    from flows import deployments, workers

    workers.end_within(deployments.END_SECONDS)
    sys.exit(128 + signal.SIGTERM)


def _on_port(services: Services, port: int) -> Services:
    from dataclasses import replace

    chosen = services.settings.model_copy(update={"prefect_port": port})
    return replace(services, settings=chosen)


def _watched(services: Services) -> list[WatchedRegion]:
    """Return the regions that have a schedule.

    Raises:
        ConfigurationError: there is none.
    """
    from db import queries
    from db.engine import transaction

    with transaction(services.engine) as s:
        regions = queries.list_regions(s)
    watched = [region for region in regions if not region.paused]
    if not watched:
        raise ConfigurationError(
            "every region is paused; run: scarpwatch regions resume ID" if regions
            else "no region is watched yet; run: scarpwatch regions add FILE"
        )  # fmt: skip
    return watched


def _run(services: Services, watched: list[WatchedRegion]) -> None:
    """Start Prefect, say where it is, and stay."""
    from flows import deployments
    from flows.schedules import words

    console = screen()
    with deployments.prefect_server(services.settings) as api_url:
        # Prefect reads its settings from the environment when it is imported.
        os.environ.update(deployments.prefect_environment(services.settings, api_url))
        # Numerical libraries read it when they are imported, in every run.
        os.environ.setdefault(
            "OMP_NUM_THREADS", str(deployments.threads_per_run(services.settings))
        )
        tempfile.tempdir = None  # somebody may have asked before TMPDIR was set
        for region in watched:
            when = words(region, length(region.poll_every))
            console.print(f"[name]{region.id}[/]  {when}  [dim]{plain(region.name)}[/]")
        console.print(f"Runs and logs: {api_url.removesuffix('/api')}  (Ctrl-C ends)")
        distribution = services.settings.distribution
        if distribution.work_pool is None:
            deployments.serve(services)
            return
        from flows import pools

        made = pools.deploy(services, distribution.work_pool, distribution.pool_type)
        console.print(f"Runs are started by: prefect worker start --pool {made.pool}")
        with suppress(KeyboardInterrupt):
            while True:
                signal.pause()
