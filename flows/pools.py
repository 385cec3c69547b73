"""The flows given to a Prefect work pool, whose workers start them: ``scarpwatch deploy``.

Prefect brings the template of each pool type; ours fills in where the state folder and the image
are, and holds what the operator sets against the template's own schema. Nothing secret is in a
job: workers and images bring their settings themselves.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from detectors.errors import ConfigurationError
from flows.deployments import processes, to_deploy
from flows.services import Services
from flows.settings import Settings, config_path

#: What infra/Dockerfile makes, and where it keeps its state.
IMAGE, IMAGE_HOME = "scarpwatch:0.1.0", "/var/lib/scarpwatch"


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a work pool was given."""

    pool: str
    """Its name."""
    type: str
    """What it starts for each run."""
    deployments: tuple[str, ...]
    """Flow and name of each."""


def job_template(settings: Settings, pool_type: str) -> dict[str, Any]:
    """Return Prefect's template of a pool type with our values as defaults.

    Raises:
        ConfigurationError: a variable under ``[distribution.job]`` is not one of this type, or has
            a value that its schema refuses.
    """
    from prefect.utilities.schema_tools.validation import validate

    template: dict[str, Any] = _templates()[pool_type]
    schema = template["variables"]
    values = _values(settings, pool_type)
    for name in values:
        if name not in schema["properties"]:
            near = difflib.get_close_matches(name, schema["properties"], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(f"jobs of a {pool_type} pool have no variable {name!r}{hint}")
    for fault in validate(values, schema, raise_on_error=False, ignore_required=True):
        where = ".".join(str(part) for part in fault.absolute_path) or "job"
        raise ConfigurationError(f"distribution.job.{where} does not fit a {pool_type} pool")
    for name, value in values.items():
        schema["properties"][name]["default"] = value
    return template


def deploy(services: Services, pool: str, pool_type: str) -> Deployed:
    """Make or bring up to date a work pool and the deployments in it.

    ``PREFECT_API_URL`` names the server; it has to be set before Prefect is imported.

    Raises:
        ConfigurationError: the pool is there and is of another type; see ``job_template``.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.deployments.runner import RunnerDeployment
    from prefect.exceptions import ObjectNotFound

    template = job_template(services.settings, pool_type)
    limit = processes(services.settings)
    with get_client(sync_client=True) as client:
        try:
            known = client.read_work_pool(pool)
        except ObjectNotFound:
            client.create_work_pool(
                WorkPoolCreate(
                    name=pool, type=pool_type, base_job_template=template, concurrency_limit=limit
                )
            )
        else:
            if known.type != pool_type:
                raise ConfigurationError(f"work pool {pool} is of type {known.type}")
            client.update_work_pool(
                pool, WorkPoolUpdate(base_job_template=template, concurrency_limit=limit)
            )
    made = [RunnerDeployment.from_flow(flow, **how) for flow, how in to_deploy(services)]
    for deployment in made:
        deployment.apply(work_pool_name=pool)
    return Deployed(pool, pool_type, tuple(f"{one.flow_name}/{one.name}" for one in made))


def _templates() -> dict[str, dict[str, Any]]:
    """Return Prefect's own templates by pool type."""
    shipped = files("prefect.server.api") / "collections_data/views/aggregate-worker-metadata.json"
    known = json.loads(shipped.read_text(encoding="utf-8"))
    return {
        name: worker["default_base_job_configuration"]
        for workers in known.values()
        for name, worker in workers.items()
    }


def _values(settings: Settings, pool_type: str) -> dict[str, Any]:
    """Return our values of a job's variables, the operator's last."""
    own: dict[str, Any] = {}
    environment = {"SCARPWATCH_HOME": str(settings.home.absolute())}
    if pool_type == "process":
        if config_path().exists():
            environment["SCARPWATCH_CONFIG"] = str(config_path().absolute())
        own["working_dir"] = str(Path.cwd())
    else:
        own["image"], environment["SCARPWATCH_HOME"] = IMAGE, IMAGE_HOME
    job = dict(settings.distribution.job)
    given = job.pop("env", None) or {}
    if not isinstance(given, dict):
        raise ConfigurationError("distribution.job.env: name = 'value', as a table")
    return {**own, **job, "env": {**environment, **given}}
