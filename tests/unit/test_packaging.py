"""The wheel holds the four packages whole, and nothing of ours can be mistaken for another's."""

from __future__ import annotations

import email
import email.message
import importlib
import importlib.metadata
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hatchling.build import build_wheel

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = {"flows", "detectors", "db", "alerts"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    # In this process, where sockets are blocked: building must not need the network.
    out = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return zipfile.ZipFile(out / build_wheel(str(out)))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def source_files() -> set[str]:
    """Every file of the packages that is in git or would be: code, templates, SQL, markers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "infra")
        check_repository = importlib.import_module("check_repository")
        files = check_repository.repository_files(ROOT, *PACKAGES)
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_wheel_contains_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    assert source_files() - set(wheel.namelist()) == set()


def test_wheel_contains_nothing_but_the_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == PACKAGES | {"scarpwatch-0.1.0.dist-info"}


def test_every_folder_of_code_is_a_package() -> None:
    folders = {Path(name).parent for name in source_files() if name.endswith(".py")}
    without = {
        str(folder)
        for folder in folders
        # Alembic loads its scripts by path; its folders are no packages.
        if not (ROOT / folder / "__init__.py").exists() and "migrations" not in folder.parts
    }
    assert without == set()


def test_wheel_is_private_and_brings_licence_and_notices(
    wheel: zipfile.ZipFile, metadata: email.message.Message
) -> None:
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.12"
    licences = {Path(n).name for n in wheel.namelist() if ".dist-info/licenses/" in n}
    assert licences == {"LICENSE", "THIRD_PARTY_NOTICES.md"}


def test_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert "scarpwatch = flows.cli:main" in wheel.read(name).decode()


def test_licence_is_the_whole_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License\n                           Version 2.0")
    assert "END OF TERMS AND CONDITIONS" in text
    assert text.endswith("limitations under the License.\n")


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_import_names_are_ours(package: str) -> None:
    # The names are ordinary words; a dependency that brings one along would hide ours or be hidden.
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin) == ROOT / package / "__init__.py"
    owners = set(importlib.metadata.packages_distributions().get(package, ()))
    assert owners <= {"scarpwatch"}


def test_import_names_are_ours_from_anywhere(tmp_path: Path) -> None:
    code = "import alerts, db, detectors, flows; print(flows.__file__)"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert Path(printed.strip()) == ROOT / "flows" / "__init__.py"


def test_one_lock_only() -> None:
    strange = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "requirements.txt"}
    assert {path.name for path in ROOT.iterdir()} & strange == set()
    assert (ROOT / ".python-version").read_text(encoding="utf-8").strip() == "3.12"


def linter() -> dict[str, Any]:
    section: dict[str, Any] = PYPROJECT["tool"]["importlinter"]
    return section


def test_every_top_level_package_is_under_the_import_linter() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders - {"tests", "bench"} == PACKAGES == set(linter()["root_packages"])
    assert set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES
    assert set(PYPROJECT["tool"]["mypy"]["packages"]) == PACKAGES


def packages_with_modules() -> set[str]:
    """Every package, as a dotted name, that holds more than its own ``__init__``."""
    return {
        ".".join(Path(name).parent.parts)
        for name in source_files()
        if name.endswith(".py") and not name.endswith("__init__.py") and "migrations" not in name
    }


def test_every_module_has_its_place_in_a_layer() -> None:
    # `make check` then refuses a module that an exhaustive contract does not name.
    exhaustive = {
        container
        for contract in linter()["contracts"]
        if contract["type"] == "layers" and contract.get("exhaustive") is True
        for container in contract.get("containers", [])
    }
    assert packages_with_modules() - exhaustive == set()
