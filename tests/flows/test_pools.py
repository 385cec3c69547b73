"""Work pools: templates of jobs, held against the schemas that Prefect ships."""

from __future__ import annotations

import pytest

from detectors.errors import ConfigurationError
from flows.distribution import DistributionSettings
from flows.pools import job_template
from flows.settings import Settings


def settings_of(home, **job) -> Settings:
    return Settings(home=home, distribution=DistributionSettings(job=job))


def defaults(template) -> dict:
    properties = template["variables"]["properties"]
    return {name: one["default"] for name, one in properties.items() if "default" in one}


def test_a_job_of_each_type_knows_where_its_settings_are(no_settings) -> None:
    (no_settings / "scarpwatch.toml").write_text("")
    process, docker, kubernetes = (
        job_template(settings_of(no_settings), kind) for kind in ("process", "docker", "kubernetes")
    )
    assert defaults(process)["env"] == {
        "SCARPWATCH_HOME": str(no_settings), "SCARPWATCH_CONFIG": f"{no_settings}/scarpwatch.toml",
    }  # fmt: skip
    assert defaults(process)["working_dir"]
    for made in (docker, kubernetes):
        assert defaults(made)["image"] == "scarpwatch:0.1.0"
        assert defaults(made)["env"] == {"SCARPWATCH_HOME": "/var/lib/scarpwatch"}
    manifest = kubernetes["job_configuration"]["job_manifest"]
    assert manifest["kind"] == "Job"


def test_what_the_operator_sets_goes_last(no_settings) -> None:
    given = settings_of(
        no_settings, image="registry.example/own:2", namespace="watch", memory_request="4Gi",
        env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    own = defaults(job_template(given, "kubernetes"))
    assert (own["image"], own["namespace"]) == ("registry.example/own:2", "watch")
    assert own["memory_request"] == "4Gi"
    assert own["env"]["OMP_NUM_THREADS"] == "1"
    assert own["env"]["SCARPWATCH_HOME"]


@pytest.mark.parametrize(
    ("kind", "job", "said"),
    [
        ("docker", {"imge": "x"}, "no variable 'imge'; did you mean image"),
        ("process", {"namespace": "x"}, "no variable 'namespace'"),
        ("docker", {"image_pull_policy": "Sometimes"}, "job.image_pull_policy does not fit"),
        ("docker", {"volumes": "/data:/data"}, "job.volumes does not fit a docker pool"),
        ("kubernetes", {"finished_job_ttl": "soon"}, "job.finished_job_ttl does not fit"),
        ("process", {"env": "A=B"}, "as a table"),
    ],
)
def test_what_does_not_fit_the_type_is_refused(no_settings, kind, job, said) -> None:
    with pytest.raises(ConfigurationError, match=said):
        job_template(settings_of(no_settings, **job), kind)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runner": "dask"}, "needs dask_address"),
        ({"prefect_database": "Prefect; DROP"}, "lower-case letters"),
        ({"pool_type": "ray"}, "process"),
        ({"dask_adress": "x"}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, said) -> None:
    with pytest.raises(ValueError, match=said):
        DistributionSettings(**given)
