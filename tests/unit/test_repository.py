"""The scripts of set-up and of `make check`, on small inputs, and the files under infra/."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from flows.catalogs.registry import READY_MADE, split_source
from flows.regions import read_region

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"


def script(name: str) -> ModuleType:
    """Import one of the scripts, which are no part of a package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(INFRA)
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def check_repository() -> ModuleType:
    return script("check_repository")


HASH = "    --hash=sha256:" + "0" * 64
LOCK = f"""pip-less==1.5 ; sys_platform == 'linux' \\
{HASH}
    # via scarpwatch (pyproject.toml:dev)
typer==0.20.1 \\
{HASH} \\
{HASH}
"""


def test_lock_that_fits_has_no_fault(check_repository: ModuleType) -> None:
    wanted = [Requirement("Pip_Less>=1.4,<2"), Requirement("typer==0.20.*")]
    assert check_repository.lock_faults(wanted, LOCK) == []
    assert check_repository.address_faults(LOCK) == []


@pytest.mark.parametrize(
    ("requirement", "words"),
    [("typer>=0.21", "wanted is typer>=0.21"), ("rich>=13", "lacks rich>=13")],
)
def test_lock_that_does_not_fit_is_named(
    check_repository: ModuleType, requirement: str, words: str
) -> None:
    fault, advice = check_repository.lock_faults([Requirement(requirement)], LOCK)
    assert words in fault
    assert "make lock" in advice


def test_lock_names_what_an_extra_brings(check_repository: ModuleType) -> None:
    lock = f"psycopg==3.3.9 \\\n{HASH}\n"
    faults = check_repository.lock_faults([Requirement("psycopg[binary]>=3.2")], lock)
    assert any("lacks psycopg-binary" in fault for fault in faults)


def test_pin_without_hash_is_named(check_repository: ModuleType) -> None:
    faults = check_repository.lock_faults([], "typer==0.20.1\n    # via nobody\n")
    assert any("no hash for typer==0.20.1" in fault for fault in faults)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "-f /srv/wheels",
        "--extra-index-url=file:///srv/simple",
        "thing @ https://mirror.example/thing.whl",
        "# from https://mirror.example/simple",
        "typer==0.20.1 --index-url=x",
    ],
)
def test_lock_must_not_say_where_packages_come_from(
    check_repository: ModuleType, line: str
) -> None:
    assert len(check_repository.address_faults(LOCK + line + "\n")) == 1


def test_large_file_is_named(check_repository: ModuleType, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(bytes(10))
    large.write_bytes(bytes(11))
    (fault,) = check_repository.size_faults([small, large], largest=10)
    assert str(large) in fault


def test_files_are_found_without_git(check_repository: ModuleType, tmp_path: Path) -> None:
    for name in ("db/a.py", "db/__pycache__/a.pyc", ".venv/b.py", "flows/c.py", ".python-version"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {
        path.relative_to(tmp_path).as_posix()
        for path in check_repository.repository_files(tmp_path)
    }
    assert found == {"db/a.py", "flows/c.py", ".python-version"}
    assert check_repository.repository_files(tmp_path, "db") == [tmp_path / "db/a.py"]


def test_the_repository_is_in_order() -> None:
    # The script as `make check` runs it: lock against pyproject.toml, addresses, notices, sizes.
    done = subprocess.run(
        [sys.executable, "-W", "error", INFRA / "check_repository.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_pip_settings_reach_uv() -> None:
    run_uv = script("run_uv")
    listing = r"""
global.index-url='https://user:secret@mirror.example/simple'
install.index-url='https://other.example/simple'
global.extra-index-url='file:///a/simple\nfile:///b/simple'
:env:.find-links='/srv/one /srv/two'
:env:.cert='/etc/ssl/own.pem'
global.no-cache-dir='true'
"""
    environment = run_uv.uv_environment(
        run_uv.pip_options(listing), {"SSL_CERT_FILE": "/etc/ssl/uv.pem"}
    )
    assert environment == {
        "UV_DEFAULT_INDEX": "https://other.example/simple",
        "UV_INDEX": "file:///a/simple file:///b/simple",
        "UV_FIND_LINKS": "/srv/one,/srv/two",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_nothing_is_added_where_pip_has_no_settings() -> None:
    run_uv = script("run_uv")
    assert run_uv.uv_environment(run_uv.pip_options(""), {}) == {}


@pytest.mark.parametrize("path", sorted(INFRA.glob("*.sh")), ids=lambda path: path.name)
def test_shell_scripts_parse_and_stop_at_errors(path: Path) -> None:
    subprocess.run(["sh", "-n", path], check=True)
    assert "set -eu" in path.read_text(encoding="utf-8")


def test_ci_calls_the_same_targets() -> None:
    path = ROOT / ".ci" / "run"
    subprocess.run(["bash", "-n", path], check=True)
    commands = path.read_text(encoding="utf-8").splitlines()
    made = [line.split()[:2] for line in commands if line.startswith("make ")]
    assert made == [["make", word] for word in ("setup", "check", "audit", "test")]


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets == set(phony.split())
    listed = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert targets == {line.split()[0] for line in listed.splitlines()[1:]}


def services() -> dict[str, dict[str, Any]]:
    text = (INFRA / "compose.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


def test_compose_publishes_on_loopback_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports)


def test_compose_pins_images_and_holds_no_password() -> None:
    for service in services().values():
        image = service.get("image", "")
        assert "build" in service or re.search(r":\d", image), image
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "DATABASE_URL" in name:
                assert "${POSTGRES_PASSWORD:?" in value, name


@pytest.mark.parametrize("path", sorted(INFRA.glob("regions/*.geojson")), ids=lambda p: p.stem)
def test_region_examples_can_be_added(path: Path) -> None:
    region = read_region(path, watch_from=datetime(2026, 1, 1, tzinfo=UTC))
    assert region.id == path.stem
    assert region.tags
    for source in region.sources:
        assert split_source(source)[0] in READY_MADE
    # RFC 7946: exterior rings run counter-clockwise.
    assert all(polygon.exterior.is_ccw for polygon in region.geometry.geoms)
