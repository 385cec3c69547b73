"""The audit of the lock, on advisories in the form that OSV publishes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(INFRA)
        return importlib.import_module("audit")


def advisory(name: str, *events: dict[str, str], **fields: Any) -> dict[str, Any]:
    affected: dict[str, Any] = {"package": {"ecosystem": "PyPI", "name": name}}
    if events:
        affected["ranges"] = [{"type": "ECOSYSTEM", "events": list(events)}]
    affected |= {key: fields.pop(key) for key in ("versions",) if key in fields}
    base = {"id": "PYSEC-1", "modified": "2026-11-01T00:00:00Z", "summary": "x", **fields}
    return base | {"affected": [affected]}


BETWEEN = ({"introduced": "1.2"}, {"fixed": "1.4"}, {"introduced": "2"}, {"last_affected": "2.1"})


@pytest.mark.parametrize(
    ("version", "hit"),
    [("1.1", False), ("1.2", True), ("1.3.9", True), ("1.4", False), ("1.10", False), ("2", True),
     ("2.1", True), ("2.1.1", False), ("2.0rc1", False)],
)  # fmt: skip
def test_a_version_is_held_against_where_a_fault_came_and_went(
    audit: ModuleType, version: str, hit: bool
) -> None:
    locked = {"some-package": Version(version)}
    assert bool(audit.faults(locked, [advisory("Some_Package", *BETWEEN)])) is hit


def test_versions_may_be_listed_and_other_worlds_are_left_out(audit: ModuleType) -> None:
    locked = {"a": Version("1.0")}
    (found,) = audit.faults(locked, [advisory("a", versions=["0.9", "1.0.0"], aliases=["CVE-1"])])
    assert (found.package, found.aliases) == ("a", ("CVE-1",))
    other = advisory("a", versions=["1.0"])
    other["affected"][0]["package"]["ecosystem"] = "npm"
    assert audit.faults(locked, [other, advisory("b", versions=["1.0"])]) == []


def run(*words: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, INFRA / "audit.py", *map(str, words)], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_the_lock_is_audited_from_folders_archives_and_files(tmp_path: Path) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    line = next(one for one in lock.splitlines() if one.startswith("starlette=="))
    version = line.split("==")[1].split()[0]
    bad = advisory("Starlette", {"introduced": "0"}, {"fixed": "9999"}, id="GHSA-test")
    good = advisory("starlette", {"introduced": "0"}, {"fixed": "0.1"})
    gone = {**bad, "withdrawn": "2026-11-02T00:00:00Z"}
    (tmp_path / "good.json").write_text(json.dumps([good, gone]))
    status, said = run(tmp_path)
    assert (status, "0 known faults" in said) == (0, True), said
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("GHSA-test.json", json.dumps(bad))
    (tmp_path / "one.yaml").write_text(json.dumps(bad))
    for source in (tmp_path / "all.zip", tmp_path / "one.yaml", tmp_path):
        status, said = run(source)
        assert status == 1, said
        assert f"starlette {version}: GHSA-test: x; mended in 9999" in said


def test_what_was_not_done_is_said(tmp_path: Path) -> None:
    status, said = run()
    assert (status, said.startswith("audit: NOT DONE, no advisories")) == (0, True)
    assert run(tmp_path)[0] == run(tmp_path / "none")[0] == 2
    (tmp_path / "x.json").write_text("{")
    status, said = run(tmp_path)
    assert (status, "NOT DONE" in said) == (2, True)
