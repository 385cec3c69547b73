"""``scarpwatch deploy``: the flows in a work pool of a Prefect server that runs already."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, screen


class PoolType(StrEnum):
    """What a work pool starts for each run."""

    PROCESS = "process"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"


def deploy(
    pool: Annotated[
        str | None, typer.Option(metavar="NAME", help="Work pool; without: as set by work_pool.")
    ] = None,
    pool_type: Annotated[
        PoolType | None, typer.Option("--type", help="Without: as set by pool_type.")
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Only print the template of its jobs, as JSON.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give the flows to a work pool, whose workers run them where `serve` does not.

    `PREFECT_API_URL` names Prefect's server. Run it again after regions were added or changed.
    """
    from flows import settings as all_settings

    settings = all_settings.load()
    chosen = pool_type.value if pool_type else settings.distribution.pool_type
    name = pool or settings.distribution.work_pool
    from flows import pools

    if template:
        emit(pools.job_template(settings, chosen))
        return
    if name is None:
        raise ConfigurationError("name a work pool: --pool NAME, or work_pool in [distribution]")
    if "PREFECT_API_URL" not in os.environ:
        raise ConfigurationError(
            "name Prefect's server: PREFECT_API_URL=http://127.0.0.1:4200/api, such as the one "
            "that scarpwatch serve keeps where work_pool is set"
        )
    with open_world() as services:
        made = pools.deploy(services, name, chosen)
    if as_json:
        emit(asdict(made))
        return
    console = screen()
    for one in made.deployments:
        console.print(f"[name]{one}[/]")
    console.print(f"in work pool {made.pool} ({made.type}); start a worker there:")
    console.print(f"prefect worker start --pool {made.pool}", soft_wrap=True)
