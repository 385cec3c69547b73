"""Settings of work that is done elsewhere than in the processes of ``scarpwatch serve``.

Nothing of it is needed on one machine. What is to be done stays in PostGIS either way: a cluster
or a pool only says where a process claims it.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

#: What PostgreSQL takes without quotes; names that begin with pg_ are its own.
_NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")


class DistributionSettings(BaseModel):
    """Where looks are judged, and where Prefect keeps its own state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runner: Literal["here", "dask"] = "here"
    """``here``: in the process of the flow run. ``dask``: on an existing Dask cluster."""
    dask_address: str | None = None
    """Its scheduler, such as ``tcp://10.0.0.5:8786``."""
    work_pool: str | None = None
    """Prefect work pool that ``scarpwatch deploy`` gives the flows to."""
    pool_type: Literal["process", "docker", "kubernetes"] = "process"
    """What the pool starts for each run."""
    job: dict[str, Any] = Field(default_factory=dict)
    """Variables of the pool's jobs (``image``, ``env``, ``volumes``, ``namespace`` ...)."""
    prefect_database: str | None = None
    """Database on the server of ours, with a role of its own, for Prefect; None = SQLite."""

    @field_validator("prefect_database")
    @classmethod
    def _plain_name(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise ValueError("lower-case letters, digits and underscores, not beginning with pg_")
        return name

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if self.runner == "dask" and not self.dask_address:
            raise ValueError("runner = 'dask' needs dask_address, such as tcp://127.0.0.1:8786")
        return self
